/// minimize_input.h: makes an input that fails smaller, operation by operation.
///
/// Where the input, read as a program (decode_ops.h) and written again, still fails, whole
/// operations are left out; what remains runs anew, so every answer in its trace is that of the
/// model for the shorter program. Other inputs lose bytes. First halves are tried, then ever
/// smaller pieces, until no single operation or byte can go. Then what is left is made plainer: one
/// allocation for many, small numbers for large ones; and more may be needless afterwards.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fuzz/decode_ops.h"

namespace pagealloc::fuzz {

/// Leaves out what is not needed: `fails(parts)` stays true. Calls: some hundred for a hundred
/// parts.
template <class Part, class Fails>
[[nodiscard]] std::vector<Part> WithoutTheNeedless(std::vector<Part> parts, Fails&& fails) {
  for (std::size_t piece = std::max<std::size_t>(1, parts.size() / 2);;) {
    bool smaller = false;
    for (std::size_t at = 0; at < parts.size();) {
      std::vector<Part> rest(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(at));
      const std::size_t next = std::min(parts.size(), at + piece);
      rest.insert(rest.end(), parts.begin() + static_cast<std::ptrdiff_t>(next), parts.end());
      if (fails(rest)) {
        parts = std::move(rest);
        smaller = true;
      } else {
        at = next;
      }
    }
    if (piece == 1 && !smaller) return parts;
    if (!smaller || piece > parts.size()) piece = std::max<std::size_t>(1, piece / 2);
  }
}

/// What an operation may be replaced with to make a program plainer, the plainest first.
[[nodiscard]] inline std::vector<FuzzOp> PlainerOps(const FuzzOp& op) {
  std::vector<FuzzOp> plainer;
  if (op.kind == FuzzOpKind::kAllocateMany) plainer.push_back({FuzzOpKind::kAllocate, op.size});
  if (op.kind == FuzzOpKind::kFreeMany) plainer.push_back({FuzzOpKind::kFree});
  if (op.kind == FuzzOpKind::kFreePart) plainer.push_back({FuzzOpKind::kFree, 0, op.index});
  const auto lower = [&](auto FuzzOp::*field) {
    const unsigned value = op.*field;
    for (const unsigned other : {0U, value / 2, value - 1}) {
      if (other >= value) continue;
      plainer.push_back(op);
      plainer.back().*field = static_cast<std::uint8_t>(other);
    }
  };
  lower(&FuzzOp::index);
  lower(&FuzzOp::size);
  return plainer;
}

/// Makes operations plainer, one after the other: `fails(ops)` stays true. Calls: at most some
/// dozen for each operation.
template <class Fails>
[[nodiscard]] std::vector<FuzzOp> Plainer(std::vector<FuzzOp> ops, Fails&& fails) {
  for (std::size_t i = 0; i < ops.size();) {
    bool changed = false;
    for (const FuzzOp& other : PlainerOps(ops[i])) {
      std::vector<FuzzOp> tried = ops;
      tried[i] = other;
      changed = fails(tried);
      if (!changed) continue;
      ops = std::move(tried);
      break;
    }
    i += changed ? 0 : 1;
  }
  return ops;
}

/// @param fails  called as fails(bytes) -> bool; true for `bytes`
template <class Fails>
[[nodiscard]] std::vector<std::uint8_t> Minimize(const std::vector<std::uint8_t>& bytes,
                                                 Fails&& fails) {
  FuzzProgram program = DecodeOps(bytes);
  if (!fails(EncodeOps(program))) return WithoutTheNeedless(bytes, fails);
  const auto with = [&](const std::vector<FuzzOp>& ops) {
    FuzzProgram other = program;
    other.ops = ops;
    return fails(EncodeOps(other));
  };
  for (std::vector<FuzzOp> before; before != program.ops;) {
    before = program.ops;
    program.ops = Plainer(WithoutTheNeedless(program.ops, with), with);
  }
  return EncodeOps(program);
}

}  // namespace pagealloc::fuzz
