#include "harness/run/result_check.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pagealloc::bench {
namespace {

std::string Text(OpKind kind, const Outcome& outcome) {
  if (outcome.first == Outcome::kNone) return "none";
  if (kind == OpKind::kTakeCache) {
    return absl::StrFormat("block %d, pages 0x%x, scavenged 0x%x", outcome.first, outcome.mask,
                           outcome.scavenged);
  }
  if (kind == OpKind::kFind) return absl::StrCat("offset ", outcome.first);
  return absl::StrFormat("offset %d, %d pages scavenged", outcome.first, outcome.scavenged);
}

std::string Text(PageCount grown, PageCount in_use, PageCount free, PageCount scavenged) {
  return absl::StrFormat("%d pages grown, %d in use, %d free, %d of them scavenged", grown.raw,
                         in_use.raw, free.raw, scavenged.raw);
}

}  // namespace

std::optional<Mismatch> CheckResult(const Op& op, std::size_t index, const Outcome& got,
                                    const Outcome* model) {
  if (const std::optional<Difference> difference = DifferenceFromExpectation(op, got)) {
    return Mismatch{index, difference->expected, difference->got};
  }
  if (model == nullptr || got == *model) return std::nullopt;
  return Mismatch{index, Text(op.kind, *model) + " (the reference model)", Text(op.kind, got)};
}

std::optional<Mismatch> CheckStatistics(std::size_t ops, const HeapStats& got,
                                        const Judgement& model) {
  const PageCount free = model.grown - model.in_use;
  if (got == HeapStats{model.grown, model.in_use, free, model.scavenged}) return std::nullopt;
  return Mismatch{ops,
                  Text(model.grown, model.in_use, free, model.scavenged) + " (the reference model)",
                  Text(got.grown, got.in_use, got.free, got.scavenged)};
}

}  // namespace pagealloc::bench
