#include "harness/trace/program.h"

#include <algorithm>

#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

/// Line `number` (from 1) of a text, without its end.
std::string_view LineOf(std::string_view text, std::uint64_t number) {
  for (std::uint64_t i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

/// One step of a hash over words: the multiplier is odd, so that no step forgets what came before.
std::uint64_t Mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 29);
}

}  // namespace

SourcePosition Program::PositionOf(const Op& op) const {
  if (op.line != 0) return {name, op.line, std::string(LineOf(text, op.line))};
  PA_EXPECT(!ops.empty() && &op >= ops.data() && &op <= &ops.back());
  return {name, static_cast<std::uint64_t>(&op - ops.data()) + 1, DescribeOp(op)};
}

SourcePosition Program::PositionOfMeta(std::string_view key) const {
  SourcePosition found{name, 1, std::string(LineOf(text, 1))};
  const std::string start = "meta " + std::string(key) + " ";
  std::string_view rest = text;
  for (std::uint64_t line = 1; !rest.empty(); ++line) {
    const std::string_view candidate = LineOf(rest, 1);
    if (candidate.starts_with(start)) found = {name, line, std::string(candidate)};
    rest.remove_prefix(std::min(rest.size(), rest.find('\n')));
    if (!rest.empty()) rest.remove_prefix(1);
  }
  return found;
}

const Op* Program::FirstOf(std::initializer_list<OpKind> kinds) const {
  const auto found = std::find_if(ops.begin(), ops.end(), [kinds](const Op& op) {
    return std::find(kinds.begin(), kinds.end(), op.kind) != kinds.end();
  });
  return found == ops.end() ? nullptr : &*found;
}

std::uint64_t Program::stream_hash() const {
  // An id stands for the allocation that used it last, so that its name does not matter.
  std::vector<std::uint64_t> allocated_by(id_count, 0);
  std::uint64_t hash = Mix(ops.size(), chunk_pages.raw);
  hash = Mix(Mix(hash, explicit_growth ? 1 : 0), measured_from);
  std::uint64_t number = 0;
  for (const Op& op : ops) {
    ++number;
    hash = Mix(hash, static_cast<std::uint64_t>(op.kind) | (op.background ? 0x100U : 0U));
    switch (op.kind) {
      case OpKind::kGrow:
      case OpKind::kAllocateRange:
      case OpKind::kFreeRange:
        hash = Mix(Mix(hash, op.at.raw), op.count.raw);
        break;
      case OpKind::kAllocate:
        hash = Mix(Mix(hash, op.cpu), op.count.raw);
        allocated_by[op.id] = number;
        break;
      case OpKind::kFree:
        hash = Mix(hash, allocated_by[op.id]);
        break;
      case OpKind::kReturnCache:
        hash = Mix(Mix(Mix(hash, op.at.raw), op.mask), op.scavenged_mask());
        break;
      case OpKind::kScavenge:
      case OpKind::kFind:
        hash = Mix(hash, op.count.raw);
        break;
      case OpKind::kTakeCache:
      case OpKind::kNextGeneration:
        break;
    }
  }
  return hash;
}

}  // namespace pagealloc::bench
