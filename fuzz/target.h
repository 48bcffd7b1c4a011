/// target.h: what every fuzz target offers, to libFuzzer and to run_corpus.cc.
#pragma once

#include <cstddef>
#include <cstdint>

/// Runs one input; any bytes will do. Ends the process on a finding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);

namespace pagealloc::fuzz {

/// Operations that were run and compared since the process began. The only thing that a target
/// keeps from one input to the next.
[[nodiscard]] std::uint64_t CheckedOperations();

}  // namespace pagealloc::fuzz
