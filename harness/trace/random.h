/// random.h: the generators' random numbers, the same with every compiler and standard library.
///
/// The standard's engines are fixed, its distributions are not. Here: splitmix64 (S. Vigna's
/// constants, public domain), and numbers in a range by multiplication. The tiny bias of the
/// latter, below range / 2^64, does not matter for workloads; that it never loops does, for
/// determinism of cost. Seeds of different purposes are kept apart by hashing a text into them.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "pagealloc/contract.h"

namespace pagealloc::bench {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    return Mix(state_);
  }
  /// From 0 to bound - 1; bound is at least 1 (contract).
  std::uint64_t Below(std::uint64_t bound) {
    PA_EXPECT(bound >= 1);
    return HighProduct(Next(), bound);
  }
  /// From low to high, both included.
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    PA_EXPECT(low <= high, low, high);
    return low + Below(high - low + 1);
  }
  template <class T>
  void Shuffle(std::vector<T>& items) {
    for (std::size_t left = items.size(); left > 1; --left) {
      std::swap(items[left - 1], items[static_cast<std::size_t>(Below(left))]);
    }
  }

  /// A bijection of 64-bit numbers that spreads every input bit over all output bits.
  static constexpr std::uint64_t Mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  /// Upper 64 bits of the 128-bit product, without a 128-bit type (ISO C++ has none).
  static constexpr std::uint64_t HighProduct(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t a_low = a & 0xffffffff, a_high = a >> 32;
    const std::uint64_t b_low = b & 0xffffffff, b_high = b >> 32;
    const std::uint64_t middle = a_high * b_low + ((a_low * b_low) >> 32);
    const std::uint64_t middle_low = (middle & 0xffffffff) + a_low * b_high;
    return a_high * b_high + (middle >> 32) + (middle_low >> 32);
  }

  std::uint64_t state_;
};

/// A seed of its own for each purpose: hash of the user's seed and a text that names the purpose.
constexpr std::uint64_t SubSeed(std::uint64_t seed, std::string_view purpose) {
  std::uint64_t hash = Random::Mix(seed + 0x9e3779b97f4a7c15);
  for (char c : purpose) {
    hash = Random::Mix((hash ^ static_cast<unsigned char>(c)) + 0x9e3779b97f4a7c15);
  }
  return hash;
}

}  // namespace pagealloc::bench
