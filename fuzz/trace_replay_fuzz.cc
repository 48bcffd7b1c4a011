/// trace_replay: traces that are legal, or nearly, from text to the allocator, against the model.
///
/// Four bytes are a line of the trace: kind, and three arguments, read against what the lines
/// before did, so that most lines are legal; a changed byte is a changed line. The text goes the
/// way of every trace: reader, judge, and then the allocator of the layout that the first byte
/// names; every result must be what the judge said, and in the end the pages by state. Of a trace
/// that is not legal the legal operations are kept, and must be. If the header says so one
/// expectation is made wrong: exactly that one must be told as a difference.
///
///   byte 0  layout     byte 1  unit of growth, growth by records or on demand, one wrong
///                              expectation     byte 2  which

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/arena.h"
#include "fuzz/decode_ops.h"
#include "fuzz/finding.h"
#include "fuzz/story.h"
#include "fuzz/target.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_reader.h"
#include "harness/trace/trace_writer.h"
#include "pagealloc/layout.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/scavenger.h"
#include "testing/invariants.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using bench::Judgement;
using bench::Op;
using bench::OpKind;
using bench::Program;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// Lines of a trace from bytes.
class Lines {
 public:
  Lines(ByteReader& in, unsigned how) : in_(in), unit_((how & 1) != 0 ? 512 : 64) {
    text_ = "pagetrace 1\nmeta chunk-pages " + std::to_string(unit_) + "\n";
    if ((how & 2) != 0) {
      Line("g", {0, unit_});
      end_ = unit_;
    }
  }
  std::string Text() {
    for (int n = 0; !in_.empty() && n < 200; ++n) Next();
    return std::move(text_);
  }

 private:
  void Next() {
    const unsigned kind = in_.Byte();
    const std::uint64_t a = in_.Byte();
    const std::uint64_t b = in_.Byte();
    const std::uint64_t c = in_.Byte();
    const std::uint64_t size = a < 200 ? a % 20 + 1 : (a - 199) * 16 + b % 3 - 1;
    switch (kind % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        ids_.push_back(ids_.empty() ? 0 : ids_.back() + 1);
        return Line("a", {ids_.back(), size});
      case 5:
      case 6:
      case 7:
      case 8: {
        if (ids_.empty()) return;
        const auto at = ids_.begin() + static_cast<std::ptrdiff_t>((a * 256 + b) % ids_.size());
        Line("f", {*at});
        ids_.erase(at);
        return;
      }
      case 9: {
        if (end_ == 0) return;
        const std::uint64_t chunks = a % 4 + 1;
        end_ += b % 4 * unit_;
        Line("g", {end_, chunks * unit_});
        end_ += chunks * unit_;
        return;
      }
      case 10:
        return Line("r", {a * 8 + b % 8, c % 70 + 1});
      case 11:
        return Line("u", {a * 8 + b % 8, c % 70 + 1});
      case 12:
        text_ += "c\n";
        return;
      case 13: {
        const std::uint64_t pages = PatternOf(static_cast<std::uint8_t>(b));
        Line("k", {a * 64, 0});
        text_.resize(text_.size() - 2);
        text_ += Hex(pages) + " " + Hex(pages & PatternOf(static_cast<std::uint8_t>(c))) + "\n";
        return;
      }
      case 14:
        Line("s", {size});
        if (c % 2 == 0) return;
        text_.back() = ' ';
        text_ += "bg\n";
        return;
      default:
        text_ += "n\n";
        return;
    }
  }

  void Line(std::string_view kind, std::initializer_list<std::uint64_t> numbers) {
    text_ += kind;
    for (const std::uint64_t number : numbers) {
      text_ += ' ';
      text_ += std::to_string(number);
    }
    text_ += '\n';
  }
  static std::string Hex(std::uint64_t word) {
    std::string digits = "0x";
    for (unsigned shift = 64; shift > 0; shift -= 4) {
      digits += "0123456789abcdef"[word >> (shift - 4) & 15U];
    }
    return digits;
  }

  ByteReader& in_;
  std::uint64_t unit_;
  std::string text_;
  std::vector<std::uint64_t> ids_;
  std::uint64_t end_ = 0;
};

/// What the model says becomes what the trace expects; what is scavenged depends on the layout.
void Expect(Op& op, const bench::Outcome& outcome) {
  if (op.kind != OpKind::kAllocate && op.kind != OpKind::kTakeCache) return;
  if (outcome.first == bench::Outcome::kNone) {
    op.expect = bench::Expect::kNone;
    return;
  }
  op.expect = bench::Expect::kResult;
  op.at = bench::TraceOffset{outcome.first};
  if (op.kind == OpKind::kTakeCache) op.mask = outcome.mask;
}

/// Makes one expectation wrong; the operation's index, or how many there are.
std::size_t Spoil(Program& program, std::size_t which) {
  const std::size_t n = program.ops.size();
  for (std::size_t i = 0; i < n; ++i) {
    Op& op = program.ops[(which + i) % n];
    if (op.expect == bench::Expect::kNothing) continue;
    if (op.expect == bench::Expect::kNone) {
      op.expect = bench::Expect::kResult;
      op.mask = op.kind == OpKind::kTakeCache ? 1 : 0;
    } else {
      op.at.raw ^= 64;
    }
    return (which + i) % n;
  }
  return n;
}

/// Runs a legal program on the allocator of a layout.
template <Layout L>
class Replay {
  using G = Geometry<L>;

 public:
  Replay(Story& story, const Program& program) : story_(story), program_(program) {
    runs_.resize(program.id_count);
  }

  /// Compares everything with what the judge said; a layout on which the program does not fit is
  /// passed over. Operation `wrong` expects something wrong.
  void Run(std::size_t wrong) {
    const auto anywhere = bench::Judge(program_);
    story_.Expect("a legal program is refused", anywhere.ok());
    if (bench::FitsLayout(program_, anywhere.value(), L::kName, G::kHeapEnd - G::kHeapBasePage,
                          G::kChunkPages)) {
      return;
    }
    const auto judged = bench::Judge(program_, {.scavenged_chunk = G::kChunkPages});
    story_.Expect("a judgement depends on who scavenges", judged.ok());
    const Judgement& model = judged.value();
    story_.Expect("Init()", allocator_->Init(memory_.os).ok());
    allocator_->set_release_units({bench::kReleaseUnit, bench::kReleaseHuge});
    for (std::size_t i = 0; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      const bench::Outcome got = Step(op);
      const bool told = bench::DifferenceFromExpectation(op, got).has_value();
      if (got == model.outcomes[i] && told == (i == wrong)) continue;
      story_.Stop("operation " + std::to_string(i + 1) + ": " +
                  Differ(bench::DescribeOp(op), {got.first, got.scavenged, got.mask, told},
                         {model.outcomes[i].first, model.outcomes[i].scavenged,
                          model.outcomes[i].mask, i == wrong}) +
                  "\n" + bench::WriteTrace(program_));
    }
    const HeapStats stats = allocator_->stats();
    story_.Expect("pages of the heap", stats.grown.raw, model.grown.raw);
    story_.Expect("pages in use", stats.in_use.raw, model.in_use.raw);
    story_.Expect("scavenged pages", stats.scavenged.raw, model.scavenged.raw);
    story_.Check(testing::CheckInvariants(*allocator_));
  }

 private:
  static PageOffset PageAt(bench::TraceOffset at) { return G::kHeapBasePage + PageCount{at.raw}; }
  static std::uint64_t PlaceOf(PageOffset page) { return (page - G::kHeapBasePage).raw; }

  bench::Outcome Step(const Op& op) {
    bench::Outcome got;
    switch (op.kind) {
      case OpKind::kGrow:
        Grow(PageRange::Of(PageAt(op.at), op.count));
        break;
      case OpKind::kAllocate: {
        std::optional<Allocation> run = allocator_->Allocate(op.count);
        if (!run && GrowOnDemand(op.count)) run = allocator_->Allocate(op.count);
        got.first = bench::Outcome::kNone;
        if (!run) break;
        runs_[op.id] = PageRange::Of(run->first, op.count);
        got = {PlaceOf(run->first), run->scavenged.raw, 0};
        break;
      }
      case OpKind::kFree:
        allocator_->Free(runs_[op.id]);
        break;
      case OpKind::kAllocateRange:
        got.first = op.at.raw;
        got.scavenged = allocator_->AllocateRange(PageRange::Of(PageAt(op.at), op.count)).raw;
        break;
      case OpKind::kFreeRange:
        allocator_->Free(PageRange::Of(PageAt(op.at), op.count));
        break;
      case OpKind::kTakeCache: {
        PageCache cache = allocator_->TakePageCache();
        if (cache.empty() && GrowOnDemand(PageCount{1})) cache = allocator_->TakePageCache();
        got.first = bench::Outcome::kNone;
        if (!cache.empty()) got = {PlaceOf(cache.base), cache.scavenged, cache.pages};
        break;
      }
      case OpKind::kReturnCache: {
        PageCache cache{PageAt(op.at), op.mask, op.scavenged_mask()};
        allocator_->Flush(cache);
        break;
      }
      case OpKind::kScavenge: {
        NoLock no_lock;
        const ScavengeResult result = ScavengePages(
            *allocator_, no_lock, BytesOf(op.count),
            op.background ? ScavengeMode::kBackground : ScavengeMode::kForced,
            [](PageRange) { return OsStatus::Ok(); }, [] { return false; });
        got.first = result.released.raw / kPageBytes.raw;
        break;
      }
      case OpKind::kNextGeneration:
        allocator_->NextScavengeGeneration();
        break;
      case OpKind::kFind:  // no trace has one
        break;
    }
    return got;
  }

  void Grow(PageRange pages) { story_.Expect("Grow()", allocator_->Grow(pages).ok()); }
  /// At the heap's end, as a trace without growth of its own has it.
  bool GrowOnDemand(PageCount want) {
    if (program_.explicit_growth) return false;
    const std::uint64_t unit = program_.chunk_pages.raw;
    const PageCount pages{(want.raw + unit - 1) / unit * unit};
    if (demand_end_ + pages > G::kHeapEnd) return false;
    Grow(PageRange::Of(demand_end_, pages));
    demand_end_ += pages;
    return true;
  }

  Story& story_;
  const Program& program_;
  ProgramMemory<L> memory_;
  std::unique_ptr<PageAllocator<L>> allocator_ = std::make_unique<PageAllocator<L>>();
  std::vector<PageRange> runs_;
  PageOffset demand_end_ = G::kHeapBasePage;
};

void Run(std::span<const std::uint8_t> input) {
  Story story("trace_replay", input);
  ByteReader in(input);
  const unsigned layout = in.Byte();
  const unsigned how = in.Byte();
  const unsigned which = in.Byte();
  story.Step("parse");
  bench::ParsedTrace trace = bench::ParseTrace("fuzz", Lines(in, how).Text());
  story.Expect("lines of the right form are refused", !trace.error);
  Program& program = trace.program;
  story.Step("judge", {program.ops.size()});
  auto judged = bench::Judge(program);
  if (!judged.ok()) {
    const std::uint64_t line = judged.error().where.line;
    story.Expect("the line of an illegal operation",
                 std::any_of(program.ops.begin(), program.ops.end(),
                             [line](const Op& op) { return op.line == line; }));
    story.Step("leave out what is not legal", {line});
    program.ops = bench::LegalOps(program);
    judged = bench::Judge(program);
    story.Expect("the legal operations are refused", judged.ok());
  }
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    Expect(program.ops[i], judged.value().outcomes[i]);
  }
  const std::size_t wrong = (how & 4) != 0 && !program.ops.empty()
                                ? Spoil(program, which % program.ops.size())
                                : program.ops.size();
  story.Step("replay (operations, wrong one)", {program.ops.size(), wrong});
  switch (layout % 8) {
    case 0:
      Replay<LinuxAmd64>(story, program).Run(wrong);
      break;
    case 1:
      Replay<Linux386>(story, program).Run(wrong);
      break;
    case 2:
      Replay<Wasm126>(story, program).Run(wrong);
      break;
    case 3:
      Replay<IosArm64>(story, program).Run(wrong);
      break;
    case 4:
      Replay<testing::TinyWordChunks>(story, program).Run(wrong);
      break;
    case 5:
      Replay<testing::TinyDeep>(story, program).Run(wrong);
      break;
    default:
      Replay<testing::TinyUneven>(story, program).Run(wrong);
      break;
  }
  g_operations += program.ops.size();
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pagealloc::fuzz::Run({bytes, std::min<std::size_t>(size, 803)});
  return 0;
}
