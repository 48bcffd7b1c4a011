/// random_program.h: legal programs of all kinds of records, for tests of readers and writers.
#pragma once

#include <cstdint>

#include "harness/trace/program.h"

namespace pagealloc::bench {

/// A legal program of some hundred operations, with notes, expectations that are met, and ids in
/// order of first appearance. The same seed gives the same program.
[[nodiscard]] Program RandomProgram(std::uint32_t seed);

}  // namespace pagealloc::bench
