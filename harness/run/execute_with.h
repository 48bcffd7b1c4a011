/// execute_with.h: execute.h for one allocator each; the bodies stand in files of their own.
///
/// `result` stays as it is when there is no layout or allocator of the name in `options`.
#pragma once

#include <span>

#include "absl/status/statusor.h"
#include "harness/run/cell.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

void CheckRadix(const CellOptions& options, const Program& program, const Judgement& judgement,
                bool verify, absl::StatusOr<CheckedResult>& result);
void TimeRadix(const CellOptions& options, const Program& program,
               absl::StatusOr<TimedResult>& result);

/// The library's page caches on its page allocator.
void CheckCaches(const CellOptions& options, const Program& program, const Judgement& judgement,
                 bool verify, absl::StatusOr<CheckedResult>& result);
void TimeCaches(const CellOptions& options, const Program& program,
                absl::StatusOr<TimedResult>& result);

void CheckReference(const CellOptions& options, const Program& program, const Judgement& judgement,
                    bool verify, absl::StatusOr<CheckedResult>& result);
void TimeReference(const CellOptions& options, const Program& program,
                   absl::StatusOr<TimedResult>& result);

/// The Go runtime's page allocator, in a program of its own.
void CheckGo(const CellOptions& options, const Program& program, const Judgement& judgement,
             bool verify, absl::StatusOr<CheckedResult>& result);
void TimeGo(const CellOptions& options, const Program& program,
            absl::StatusOr<TimedResult>& result);

/// The small allocators of harness/peers.
void CheckPeer(const CellOptions& options, const Program& program, const Judgement& judgement,
               bool verify, absl::StatusOr<CheckedResult>& result);
void TimePeer(const CellOptions& options, const Program& program,
              absl::StatusOr<TimedResult>& result);

/// The mallocs of others, and the kernel.
void CheckSystem(const CellOptions& options, const Program& program,
                 absl::StatusOr<CheckedResult>& result);
void TimeSystem(const CellOptions& options, const Program& program,
                absl::StatusOr<TimedResult>& result);

/// The library's front end, with a thread for each program; at least one (contract).
void CheckHeap(const CellOptions& options, std::span<const Program* const> programs,
               absl::StatusOr<CheckedResult>& result);
void TimeHeap(const CellOptions& options, std::span<const Program* const> programs,
              absl::StatusOr<TimedResult>& result);

}  // namespace pagealloc::bench
