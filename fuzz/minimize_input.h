/// minimize_input.h: makes an input that fails smaller, operation by operation.
///
/// Where the input, read as a program (decode_ops.h) and written again, still fails, whole
/// operations are left out; what remains runs anew, so every answer in its trace is that of the
/// model for the shorter program. Other inputs lose bytes. First halves are tried, then ever
/// smaller pieces, until no single operation or byte can go.
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

/// @param fails  called as fails(bytes) -> bool; true for `bytes`
template <class Fails>
[[nodiscard]] std::vector<std::uint8_t> Minimize(const std::vector<std::uint8_t>& bytes,
                                                 Fails&& fails) {
  FuzzProgram program = DecodeOps(bytes);
  if (!fails(EncodeOps(program))) return WithoutTheNeedless(bytes, fails);
  program.ops = WithoutTheNeedless(program.ops, [&](const std::vector<FuzzOp>& ops) {
    FuzzProgram shorter = program;
    shorter.ops = ops;
    return fails(EncodeOps(shorter));
  });
  return EncodeOps(program);
}

}  // namespace pagealloc::fuzz
