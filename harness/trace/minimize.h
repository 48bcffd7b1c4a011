/// minimize.h: cuts a program that fails down to the shortest one that still fails.
///
/// Delta debugging: pieces are cut out, half of the program first, then a quarter, down to single
/// operations, until none can be left out any more. What becomes illegal by a cut (the free of an
/// allocation that is gone) goes with it, so every program that is tried is legal.
///
///   a a a a f f f f  -->  a a f f  -->  a f
///
/// Expectations are tried without first: what an allocation gives depends on those before it, so
/// most of them are wrong in a shorter program. They stay only if the program does not fail
/// without. What comes out is 1-minimal: without any single operation it does not fail.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>

#include "harness/trace/program.h"

namespace pagealloc::bench {

/// Whether a program still fails; nullopt: stop here.
using StillFails = std::function<std::optional<bool>(const Program& program)>;

struct Minimized {
  Program program;        ///< fails; IDs in order of first appearance, no text
  std::size_t tried = 0;  ///< how many programs were run
  bool finished = true;   ///< false: stopped before it was as short as it gets
};

/// @param failing      a legal program that fails (contract of the result).
/// @param still_fails  called for each program that is tried.
/// @param shorter      called with each program that is shorter than all before it; may be empty.
[[nodiscard]] Minimized Minimize(const Program& failing, const StillFails& still_fails,
                                 const std::function<void(const Minimized& best)>& shorter = {});

}  // namespace pagealloc::bench
