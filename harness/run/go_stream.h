/// go_stream.h: what goes to a program behind `-a go`, and what comes back.
///
/// Both are 64-bit words in the machine's byte order; the program is harness/go_peer/, in Go.
///
///   request   "page-req", version, address of offset 0, pages from there to the layout's end,
///             chunk pages, 1 if the heap grows by record only, IDs, operations, first measured
///             operation, batches, passes (1 check, 2 batches, 4 ops; 8: in timed
///             ones each operation changes to the system stack and takes the heap's lock), clock
///             (1: the CPU's counter); operations: kind (32 bits, as OpKind), ID (32 bits), at,
///             count, mask; batches: the operation behind the last of each
///   answer    "page-ans", version; then the passes that were asked for:
///             check     result hash, bytes of metadata; first, scavenged, mask of each operation
///             batches   result hash, costs; ticks of each batch; the same without the allocator
///             ops       result hash, costs; ticks of each operation (32 bits); the same without
///             costs: lost ns (all ones: not known), involuntary switches, minor faults, growth of
///             resident bytes
///
/// Fields of an operation are those of op.h, and what it gives is an Outcome. The program compares
/// nothing: whoever asked does.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "harness/base/clock.h"
#include "harness/run/cell.h"
#include "harness/run/runner.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

inline constexpr std::uint64_t kGoStreamVersion = 2;

/// What is asked of the program. `program` and `batches` outlive it.
struct GoRequest {
  const Program& program;
  Address heap_base{};
  PageCount heap_pages{};  ///< from the base to the end of the layout
  std::span<const Batch> batches = {};
  bool check = false;
  bool time_batches = false;
  bool time_ops = false;
  /// Each timed operation as the runtime does it for a goroutine, not all of them under one lock.
  bool each_locked = false;
  ClockSource clock = ClockSource::kClockGettime;
};

/// A timed pass.
struct GoPass {
  std::uint64_t result_hash = 0;
  RegionCosts costs;
  std::uint64_t rss_bytes = 0;
};

/// Only the parts that were asked for are filled.
struct GoAnswer {
  std::uint64_t checked_hash = 0;
  std::uint64_t metadata_bytes = 0;
  std::vector<Outcome> outcomes;
  GoPass batches;
  std::vector<std::uint64_t> batch_ticks, idle_batch_ticks;
  GoPass ops;
  std::vector<std::uint32_t> op_ticks, idle_op_ticks;
};

std::string EncodeGoRequest(const GoRequest& request);

/// Internal error: this is no whole answer to the request.
absl::StatusOr<GoAnswer> DecodeGoAnswer(const GoRequest& request, std::string_view text);

}  // namespace pagealloc::bench
