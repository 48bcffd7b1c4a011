/// trace_parse: any bytes as the text of a trace, with libFuzzer's dictionary pagetrace.dict.
///
/// Accepted: what is written of it reads back as the same program, written again it is the same
/// text, each operation's place names its line, IDs are such as the format has, and the judge comes
/// to an end. Refused: a line of
/// the text, a reason and an advice, in printable characters; and what stands before that line is
/// no mistake, and says the same operations.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "fuzz/story.h"
#include "fuzz/target.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_reader.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::fuzz {
namespace {

using bench::Op;
using bench::ParsedTrace;
using bench::Program;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// What a program means, without the lines where it stood.
bool Same(const Program& a, const Program& b) {
  const auto same_op = [](Op x, Op y) {
    x.line = y.line = 0;
    return x == y;
  };
  return a.meta == b.meta && a.chunk_pages == b.chunk_pages &&
         a.explicit_growth == b.explicit_growth && a.measured_from == b.measured_from &&
         a.id_count == b.id_count && a.stream_hash() == b.stream_hash() &&
         std::equal(a.ops.begin(), a.ops.end(), b.ops.begin(), b.ops.end(), same_op);
}

std::string_view SecondField(std::string_view line) {
  line.remove_prefix(std::min(line.find(' ') + 1, line.size()));
  return line.substr(0, line.find(' '));
}

bool IsId(std::string_view text) {
  constexpr std::string_view kAll =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  return !text.empty() && text.size() <= 64 &&
         text.find_first_not_of(kAll) == std::string_view::npos;
}

void CheckError(const Story& story, const bench::TraceError& error, std::uint64_t lines) {
  story.Expect("the line of a mistake is one of the text",
               error.where.line >= 1 && error.where.line <= lines);
  story.Expect("a reason and an advice", !error.reason.empty() && !error.advice.empty());
  story.Expect("an advice is a sentence", error.advice.back() == '.');
  story.ExpectPrintable("a message is printable", error.Message());
}

/// Where line `n` begins, from 1.
std::size_t BeginOfLine(std::string_view text, std::uint64_t n) {
  std::size_t at = 0;
  while (--n > 0) at = text.find('\n', at) + 1;
  return at;
}

void Run(std::string text) {
  const std::span<const std::uint8_t> input(reinterpret_cast<const std::uint8_t*>(text.data()),
                                            text.size());
  Story story("trace_parse", input);
  story.Step("parse");
  const ParsedTrace trace = bench::ParseTrace("fuzz", text);
  const Program& program = trace.program;
  // A text that ends early is told at its last line, or behind it.
  const auto ends = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  for (const Op& op : program.ops) {
    story.Expect("operations in the order of their lines", op.line >= 1 && op.line <= ends + 1);
  }
  if (trace.error) {
    CheckError(story, *trace.error, ends + 1);
    story.Step("parse what stands before the mistake", {trace.error->where.line});
    const ParsedTrace before =
        bench::ParseTrace("fuzz", text.substr(0, BeginOfLine(text, trace.error->where.line)));
    story.Expect("what stands before a mistake is none",
                 !before.error || before.program.ops.empty());
    story.Expect("the operations before a mistake",
                 before.program.ops.size() == program.ops.size());
  } else {
    story.Step("write and parse again", {program.ops.size()});
    const std::string written = bench::WriteTrace(program);
    const ParsedTrace again = bench::ParseTrace("again", written);
    story.Expect("no longer set-up than trace", program.measured_from <= program.ops.size());
    story.Expect("what was written is refused", !again.error);
    story.Expect("what was written is another program", Same(program, again.program));
    story.Expect("written twice, it differs", bench::WriteTrace(again.program) == written);
    for (const Op& op : program.ops) {
      const bench::SourcePosition place = program.PositionOf(op);
      story.Expect("the place of an operation", place.line == op.line && !place.text.empty());
      if (op.kind == bench::OpKind::kAllocate || op.kind == bench::OpKind::kFree) {
        story.Expect("an ID", IsId(SecondField(place.text)));
      }
    }
  }
  story.Step("judge");
  // A heap of a chunk or two: what is large is refused, not made.
  const auto judged = bench::Judge(trace, PageCount{1 << 16});
  if (!judged.ok()) {
    CheckError(story, judged.error(), ends + 1);
  } else {
    story.Expect("the judge accepts what the reader refused", !trace.error);
    story.Expect("an outcome for each operation",
                 judged.value().outcomes.size() == program.ops.size());
  }
  g_operations += program.ops.size() + 1;
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pagealloc::fuzz::Run(std::string(bytes, bytes + size));
  return 0;
}
