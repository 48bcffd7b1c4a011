#include "harness/trace/played_workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace pagealloc::bench {
namespace {

/// Pages in use after each operation.
std::vector<std::uint64_t> PagesInUse(const Program& program, const Judgement& judgement) {
  std::vector<std::uint64_t> in_use;
  std::vector<std::uint64_t> held(program.id_count, 0);
  std::uint64_t now = 0;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    switch (op.kind) {
      case OpKind::kAllocate:
        if (judgement.outcomes[i].first == Outcome::kNone) break;
        held[op.id] = op.count.raw;
        now += op.count.raw;
        break;
      case OpKind::kFree:
        now -= held[op.id];
        break;
      case OpKind::kAllocateRange:
        now += op.count.raw;
        break;
      case OpKind::kFreeRange:
        now -= op.count.raw;
        break;
      case OpKind::kTakeCache:
        now += static_cast<std::uint64_t>(std::popcount(judgement.outcomes[i].mask));
        break;
      case OpKind::kReturnCache:
        now -= static_cast<std::uint64_t>(std::popcount(op.mask));
        break;
      default:
        break;
    }
    in_use.push_back(now);
  }
  return in_use;
}

}  // namespace

Program Make(const WorkloadRequest& request) {
  auto program = MakeWorkload(request);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().sentence);
  return program.ok() ? std::move(program).value() : Program{};
}

Played Play(const WorkloadRequest& request) {
  Played played{.program = Make(request), .judgement = {}, .in_use = {}};
  auto judged = Judge(played.program);
  EXPECT_TRUE(judged.ok()) << (judged.ok() ? "" : judged.error().Message());
  if (!judged.ok()) return played;
  played.judgement = std::move(judged).value();
  played.in_use = PagesInUse(played.program, played.judgement);
  played.in_use.erase(
      played.in_use.begin(),
      played.in_use.begin() + static_cast<std::ptrdiff_t>(played.program.measured_from));
  for (std::uint64_t pages : played.in_use) {
    const double percent =
        100.0 * static_cast<double>(pages) / static_cast<double>(played.judgement.grown.raw);
    played.lowest_percent = std::min(played.lowest_percent, percent);
    played.highest_percent = std::max(played.highest_percent, percent);
  }
  return played;
}

}  // namespace pagealloc::bench
