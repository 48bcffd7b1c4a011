#include "testing/invariants.h"

namespace pagealloc::testing {

std::string Violation(int number, const char* what, std::initializer_list<std::uint64_t> values) {
  std::string text = "INV-" + std::to_string(number) + ": " + what + " (";
  const char* separator = "";
  for (const std::uint64_t value : values) {
    text += separator + std::to_string(value);
    separator = ", ";
  }
  return text + ")";
}

}  // namespace pagealloc::testing
