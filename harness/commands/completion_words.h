/// completion_words.h: the command line as a shell needs it: commands, flags, and the words that
/// each may be followed by. Read off the parser, so that nothing new is forgotten.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/App.hpp"

namespace pagealloc::bench {

/// What may stand where a value is expected.
enum class ValueKind : std::uint8_t {
  kNone,  ///< nothing: a flag that stands for itself
  kText,  ///< a number or a text that nobody can guess
  kWord,  ///< one of the words
  kList,  ///< some of the words, separated by commas
  kFile,  ///< a file
};

struct Value {
  ValueKind kind = ValueKind::kNone;
  std::vector<std::string> words;
};

struct FlagWords {
  std::vector<std::string> names;  ///< with their dashes
  Value value;
  std::string help;  ///< one line
};

struct CommandWords {
  std::string path;                   ///< "run", "trace validate"; empty: the program itself
  std::string help;                   ///< one line
  std::vector<std::string> commands;  ///< that may follow
  std::vector<FlagWords> flags;
  Value operand;  ///< what may stand without dashes
};

/// Every command of the program, itself first.
std::vector<CommandWords> WordsOf(const CLI::App& program);

}  // namespace pagealloc::bench
