/// random_program.h: programs for tests that do not wait for a fuzzer: bytes from a seed, decoded
/// as the fuzz targets do. The same seed gives the same program on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzz/decode_ops.h"

namespace pagealloc::fuzz {

/// A splitmix64 sequence.
class RandomNumbers {
 public:
  explicit RandomNumbers(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    state_ += 0x9e37'79b9'7f4a'7c15;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return z ^ z >> 31;
  }

 private:
  std::uint64_t state_;
};

/// Input bytes: a header, of which few operations are switched off, and `size` bytes of operations.
[[nodiscard]] inline std::vector<std::uint8_t> RandomInput(std::uint64_t seed, std::size_t size) {
  RandomNumbers random(seed);
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < 4 + size; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(random.Next() & 255U));
  }
  for (std::size_t i = 1; i <= 2; ++i) {
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & random.Next() & random.Next() & 255U);
  }
  return bytes;
}

}  // namespace pagealloc::fuzz
