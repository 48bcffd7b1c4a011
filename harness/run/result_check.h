/// result_check.h: compares what an allocator returned with what the trace and the model say.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "harness/trace/judge.h"
#include "harness/trace/op.h"
#include "pagealloc/page_allocator.h"

namespace pagealloc::bench {

/// A difference, ready for a message: "expected <expected>, got <got>".
struct Mismatch {
  std::size_t op = 0;  ///< index into the program; its size: the statistics after the last op
  std::string expected;
  std::string got;

  friend bool operator==(const Mismatch&, const Mismatch&) = default;
};

/// @param got    what the allocator returned for the op at `index`.
/// @param model  what the model returned; null: compare with the trace's own expectation only.
/// @return       the difference, the trace's expectation first; nullopt if there is none.
std::optional<Mismatch> CheckResult(const Op& op, std::size_t index, const Outcome& got,
                                    const Outcome* model);

/// The same for the pages by state after the last of `ops` operations.
std::optional<Mismatch> CheckStatistics(std::size_t ops, const HeapStats& got,
                                        const Judgement& model);

}  // namespace pagealloc::bench
