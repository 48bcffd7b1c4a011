#include "fuzz/narrow.h"

#include <bit>

#include "fuzz/target.h"

namespace pagealloc::fuzz {
namespace {

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

NarrowRun::~NarrowRun() { g_operations += operation_; }

void NarrowRun::Differs(const char* what, std::uint64_t got, std::uint64_t want,
                        std::initializer_list<std::uint64_t> arguments,
                        const std::string& state) const {
  const std::string name(target_);
  std::string text = "\n" + name + ": finding at operation " + std::to_string(operation_) + ": ";
  text += what;
  const char* separator = "(";
  for (const std::uint64_t argument : arguments) {
    text += separator + std::to_string(argument);
    separator = ", ";
  }
  text += *separator == '(' ? "() gives " : ") gives ";
  text += std::to_string(got) + ", the model " + std::to_string(want) + "\n";
  if (!state.empty()) text += state + "\n";
  text += "reproduce: echo " + Base64(input_) + " | base64 -d >finding && ";
  text += name + "_replay finding\n";
  Stop(text);
}

std::uint64_t WordFrom(ByteReader& in, std::uint64_t last) {
  const unsigned how = in.Byte();
  switch (how % 8) {
    case 0: {
      std::uint64_t word = 0;
      for (unsigned i = 0; i < 8; ++i) word |= std::uint64_t{in.Byte()} << 8 * i;
      return word;
    }
    case 1:
      return last & PatternOf(in.Byte());
    case 2:
      return last | PatternOf(in.Byte());
    case 3:
      return last ^ std::uint64_t{1} << how / 8 * 2;
    case 4:
      return std::rotl(last, static_cast<int>(how / 8));
    case 5:
      return ~last;
    default:
      return PatternOf(in.Byte());
  }
}

}  // namespace pagealloc::fuzz
