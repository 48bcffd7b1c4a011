#include "harness/trace/trace_writer.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace pagealloc::bench {
namespace {

void AppendNumber(std::uint64_t number, std::string& out) {
  std::array<char, 20> digits;  // 2^64 - 1 has 20
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void AppendField(std::uint64_t number, std::string& out) {
  out += ' ';
  AppendNumber(number, out);
}

void AppendMask(std::uint64_t mask, std::string& out) {
  std::array<char, 16> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), mask, 16).ptr;
  out += " 0x";
  out.append(digits.data(), end);
}

/// " = OFF", " = none" or nothing.
void AppendExpectedOffset(const Op& op, std::string& out) {
  if (op.expect == Expect::kNone) out += " = none";
  if (op.expect == Expect::kResult) {
    out += " =";
    AppendField(op.at.raw, out);
  }
}

void AppendOp(const Op& op, std::string& out) {
  switch (op.kind) {
    case OpKind::kGrow:
    case OpKind::kAllocateRange:
    case OpKind::kFreeRange:
      out += op.kind == OpKind::kGrow ? 'g' : op.kind == OpKind::kAllocateRange ? 'r' : 'u';
      AppendField(op.at.raw, out);
      AppendField(op.count.raw, out);
      break;
    case OpKind::kAllocate:
      out += 'a';
      AppendField(op.id, out);
      AppendField(op.count.raw, out);
      if (op.cpu != kNoCpu) {
        out += " @";
        AppendNumber(op.cpu, out);
      }
      AppendExpectedOffset(op, out);
      break;
    case OpKind::kFree:
      out += 'f';
      AppendField(op.id, out);
      break;
    case OpKind::kTakeCache:
      out += 'c';
      AppendExpectedOffset(op, out);
      if (op.expect == Expect::kResult) AppendMask(op.mask, out);
      break;
    case OpKind::kReturnCache:
      out += 'k';
      AppendField(op.at.raw, out);
      AppendMask(op.mask, out);
      if (op.scavenged_mask() != 0) AppendMask(op.scavenged_mask(), out);
      break;
    case OpKind::kScavenge:
      out += 's';
      AppendField(op.count.raw, out);
      if (op.background) out += " bg";
      if (op.expect == Expect::kResult) {
        out += " =";
        AppendField(op.expected_release().raw, out);
      }
      break;
    case OpKind::kNextGeneration:
      out += 'n';
      break;
    case OpKind::kFind:
      out += "find";
      AppendField(op.count.raw, out);
      break;
  }
}

/// True for a field that others follow: a carriage return at its end is no part of a line's end.
bool IsKey(std::string_view text) {
  return !text.empty() && text.find_first_of(" \n") == std::string_view::npos;
}

/// True for one or more fields, separated by one space each.
bool AreFields(std::string_view text) {
  return !text.empty() && text.front() != ' ' && text.back() != ' ' && text.back() != '\r' &&
         text.find("  ") == std::string_view::npos && text.find('\n') == std::string_view::npos;
}

}  // namespace

void AppendRecord(const Op& op, std::string& out) {
  PA_EXPECT(op.kind != OpKind::kFind);
  AppendOp(op, out);
  out += '\n';
}

std::string DescribeOp(const Op& op) {
  std::string text;
  AppendOp(op, text);
  return text;
}

void AppendHeader(const Program& program, std::string& out) {
  out += "pagetrace 1\n";
  for (const auto& [key, value] : program.meta) {
    PA_EXPECT(IsKey(key) && AreFields(value));
    PA_EXPECT(key != "chunk-pages" && key != "growth");
    out += "meta ";
    out += key;
    out += ' ';
    out += value;
    out += '\n';
  }
  if (program.chunk_pages != kDefaultChunkPages) {
    out += "meta chunk-pages";
    AppendField(program.chunk_pages.raw, out);
    out += '\n';
  }
  if (program.explicit_growth && program.FirstOf({OpKind::kGrow}) == nullptr) {
    out += "meta growth explicit\n";
  }
  if (program.measured_from > 0) {
    out += "meta measured-from";
    AppendField(program.measured_from, out);
    out += '\n';
  }
}

std::string WriteTrace(const Program& program) {
  PA_EXPECT(program.explicit_growth || program.FirstOf({OpKind::kGrow}) == nullptr);
  std::string text;
  AppendHeader(program, text);
  for (const Op& op : program.ops) AppendRecord(op, text);
  return text;
}

}  // namespace pagealloc::bench
