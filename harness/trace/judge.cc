#include "harness/trace/judge.h"

#include <algorithm>
#include <utility>

#include "harness/trace/freed_pages.h"
#include "harness/trace/trace_writer.h"
#include "testing/page_map.h"

namespace pagealloc::bench {
namespace {

using testing::PageMap;

constexpr std::uint64_t kBlockPages = 64;
constexpr std::string_view kCutAdvice = "If the trace was cut, replay it from its first record.";
constexpr std::string_view kRecordAdvice =
    "Look whether a record is missing before it, or its numbers are wrong.";
constexpr std::string_view kAtLeastOne = "Leave the record out, or give it pages.";
constexpr std::string_view kSmallerHeap =
    "Look whether its numbers are wrong, or make the trace's heap smaller.";

/// Why an operation is not legal.
struct Illegal {
  std::string reason;
  std::string_view advice;
};
using Verdict = std::optional<Illegal>;

/// A trace's offsets are the model's page offsets.
PageOffset Page(TraceOffset at) { return PageOffset{at.raw}; }

bool Wraps(TraceOffset at, PageCount count) { return at.raw + count.raw < at.raw; }

std::string Text(std::uint64_t number) { return std::to_string(number); }

/// The one pass over a program.
class Judging {
 public:
  Judging(const Program& program, const JudgeOptions& options)
      : program_(program),
        options_(options),
        // Growth is checked against the program's chunk here; the model's only has to divide it.
        model_(options.scavenged_chunk.raw != 0                        ? options.scavenged_chunk
               : program.chunk_pages.raw % kDefaultChunkPages.raw == 0 ? kDefaultChunkPages
                                                                       : PageCount{kBlockPages}),
        ids_(program.id_count),
        // Freeing by range concerns IDs only where some are freed as well.
        track_freed_(program.FirstOf({OpKind::kFree}) != nullptr) {}

  Result<Judgement, TraceError> Run() {
    judgement_.outcomes.resize(program_.ops.size());
    for (op_index_ = 0; op_index_ < program_.ops.size(); ++op_index_) {
      const Op& op = program_.ops[op_index_];
      if (const Verdict illegal = Step(op, judgement_.outcomes[op_index_])) {
        return TraceError{program_.PositionOf(op), illegal->reason, std::string(illegal->advice)};
      }
      judgement_.peak_in_use = std::max(judgement_.peak_in_use, model_.in_use());
      if (options_.observer) options_.observer(op_index_, model_);
      ++judgement_.judged;
      if (MustStop()) break;
    }
    judgement_.heap_end = heap_end();
    judgement_.grown = model_.grown();
    judgement_.in_use = model_.in_use();
    judgement_.scavenged = model_.scavenged_free();
    judgement_.byte_visits = model_.byte_visits();
    FollowGrowth();
    return std::move(judgement_);
  }

  std::vector<Op> Legal() {
    std::vector<Op> legal;
    for (op_index_ = 0; op_index_ < program_.ops.size(); ++op_index_) {
      Outcome ignored;
      if (!Step(program_.ops[op_index_], ignored)) legal.push_back(program_.ops[op_index_]);
    }
    return legal;
  }

 private:
  /// An ID: in use while it has pages.
  struct Id {
    PageOffset first;
    PageCount count;
    std::size_t last_op = 0;  // number from 1 of the last operation that named it; 0: none
  };

  Verdict Step(const Op& op, Outcome& outcome) {
    switch (op.kind) {
      case OpKind::kGrow:
        return GrowBy(op);
      case OpKind::kAllocate:
        return Allocate(op, outcome);
      case OpKind::kFree:
        return Free(op);
      case OpKind::kAllocateRange:
        return AllocateRange(op, outcome);
      case OpKind::kFreeRange:
        return FreeRange(op);
      case OpKind::kTakeCache:
        return TakeCache(outcome);
      case OpKind::kReturnCache:
        return ReturnCache(op);
      case OpKind::kFind: {
        if (op.count.raw == 0) return Illegal{"a search is for at least 1 page", kAtLeastOne};
        const std::optional<PageOffset> first = model_.Find(op.count);
        outcome.first = first ? first->raw : Outcome::kNone;
        return std::nullopt;
      }
      case OpKind::kScavenge:
        outcome.first = model_.Scavenge(op.count, !op.background, kReleaseUnit, kReleaseHuge).raw;
        return std::nullopt;
      case OpKind::kNextGeneration:
        model_.NextGeneration();
        return std::nullopt;
    }
    return std::nullopt;
  }

  Verdict GrowBy(const Op& op) {
    const std::uint64_t chunk = program_.chunk_pages.raw;
    if (op.count.raw == 0)
      return Illegal{"N is 0, and the heap grows by whole chunks", kAtLeastOne};
    if (op.at.raw % chunk != 0 || op.count.raw % chunk != 0) {
      return Illegal{
          "the heap grows by whole chunks, and OFF and N are not both multiples of " + Text(chunk),
          "If the trace was made with other chunks, say so with: meta chunk-pages N."};
    }
    if (Wraps(op.at, op.count)) return Illegal{"OFF + N is larger than 2^64 - 1", kRecordAdvice};
    const PageRange range = PageRange::Of(Page(op.at), op.count);
    if (!model_.CanGrow(range)) {
      for (const PageRange& grown : model_.grown_ranges()) {
        if (!grown.Overlaps(range)) continue;
        const PageOffset page = std::max(grown.begin, range.begin);
        return Illegal{"page " + Text(page.raw) + " is in the heap already", kRecordAdvice};
      }
    }
    return Extend(range);
  }

  /// Grows the model and notes where the heap ends then.
  Verdict Extend(PageRange range) {
    // The model is a byte a page; a typing error in a number should not ask for a terabyte of them.
    if (range.size() > options_.max_heap - model_.grown()) {
      return Illegal{"the heap would have " + Text(model_.grown().raw) + " + " +
                         Text(range.size().raw) + " pages, and at most " +
                         Text(options_.max_heap.raw) + " can be judged",
                     kSmallerHeap};
    }
    const TraceOffset before = heap_end();
    model_.Grow(range);
    if (heap_end() > before) judgement_.growth.push_back({op_index_, heap_end()});
    return std::nullopt;
  }

  [[nodiscard]] bool MustStop() const {
    return program_.explicit_growth &&
           (model_.byte_visits() > options_.max_visits || judgement_.judged >= options_.max_ops);
  }

  /// Where the heap ends after the operations that the model does not execute.
  void FollowGrowth() {
    for (std::size_t i = judgement_.judged; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      if (op.kind != OpKind::kGrow) continue;
      judgement_.grown += op.count;
      const TraceOffset end{op.at.raw + op.count.raw};
      if (end <= judgement_.heap_end) continue;
      judgement_.heap_end = end;
      judgement_.growth.push_back({i, end});
    }
  }

  /// Growth on demand: what an operation that found nothing asks for.
  Verdict ExtendAtEnd(PageCount want) {
    const std::uint64_t chunk = program_.chunk_pages.raw;
    const std::uint64_t short_of_chunk = (chunk - want.raw % chunk) % chunk;
    const PageCount rounded{want.raw + short_of_chunk};
    if (rounded < want || Wraps(heap_end(), rounded)) {
      return Illegal{"the heap would end above page 2^64 - 1", kSmallerHeap};
    }
    return Extend(PageRange::Of(Page(heap_end()), rounded));
  }

  Verdict Allocate(const Op& op, Outcome& outcome) {
    Id& id = ids_[op.id];
    if (id.count.raw != 0) {
      return Illegal{"the ID is in use: " + Place(id.last_op) + " allocated it",
                     "Free it before, or use another ID."};
    }
    if (op.count.raw == 0) return Illegal{"N is 0, and an allocation has pages", kAtLeastOne};
    std::optional<Allocation> got = model_.Allocate(op.count);
    if (!got && !program_.explicit_growth) {
      if (Verdict illegal = ExtendAtEnd(op.count)) return illegal;
      got = model_.Allocate(op.count);
    }
    outcome.first = got ? got->first.raw : Outcome::kNone;
    outcome.scavenged = got ? got->scavenged.raw : 0;
    id.last_op = op_index_ + 1;
    if (got) {
      id.first = got->first;
      id.count = op.count;
    }
    return std::nullopt;
  }

  Verdict Free(const Op& op) {
    Id& id = ids_[op.id];
    if (id.count.raw == 0) {
      if (id.last_op == 0) {
        return Illegal{"the ID is not in use: nothing allocated it", kCutAdvice};
      }
      const bool freed = program_.ops[id.last_op - 1].kind == OpKind::kFree;
      return Illegal{"the ID is not in use: " + Place(id.last_op) +
                         (freed ? " freed it" : " failed to allocate it"),
                     kRecordAdvice};
    }
    const PageRange range = PageRange::Of(id.first, id.count);
    if (const auto freed = freed_.FirstSince(range, id.last_op)) {
      return Illegal{"page " + Text(freed->page.raw) + " of the ID is no longer its own: " +
                         Place(HostSize(freed->number)) + " freed it",
                     "Free what is left of the ID by range, with: u OFF N."};
    }
    model_.Free(range);
    id.count = PageCount{0};
    id.last_op = op_index_ + 1;
    return std::nullopt;
  }

  /// What `r` and `u` share: a range that is at least a page and inside the heap.
  Verdict CheckInHeap(const Op& op) const {
    if (op.count.raw == 0) return Illegal{"N is 0, and a range has pages", kAtLeastOne};
    if (Wraps(op.at, op.count)) return Illegal{"OFF + N is larger than 2^64 - 1", kRecordAdvice};
    const PageRange range = PageRange::Of(Page(op.at), op.count);
    if (model_.InHeap(range)) return std::nullopt;
    PageOffset page = range.begin;
    // Whether a page is in the heap changes at multiples of a block only.
    while (model_.in_heap(page)) page = PageOffset{(page.raw / kBlockPages + 1) * kBlockPages};
    return Illegal{"page " + Text(page.raw) + " is not in the heap", kCutAdvice};
  }

  Verdict AllocateRange(const Op& op, Outcome& outcome) {
    if (Verdict illegal = CheckInHeap(op)) return illegal;
    const PageRange range = PageRange::Of(Page(op.at), op.count);
    if (!model_.AllFree(range)) {
      PageOffset page = range.begin;
      while (model_.free(page)) page += PageCount{1};
      return Illegal{"page " + Text(page.raw) + " is allocated already", kRecordAdvice};
    }
    outcome.first = op.at.raw;
    outcome.scavenged = model_.AllocateRange(range).raw;
    return std::nullopt;
  }

  Verdict FreeRange(const Op& op) {
    if (Verdict illegal = CheckInHeap(op)) return illegal;
    const PageRange range = PageRange::Of(Page(op.at), op.count);
    if (!model_.AllAllocated(range)) {
      PageOffset page = range.begin;
      while (!model_.free(page)) page += PageCount{1};
      return Illegal{"page " + Text(page.raw) + " is free already", kRecordAdvice};
    }
    model_.Free(range);
    if (track_freed_) freed_.Add(range, op_index_ + 1);
    return std::nullopt;
  }

  Verdict TakeCache(Outcome& outcome) {
    std::optional<PageMap::Block> block = model_.TakeBlock();
    if (!block && !program_.explicit_growth) {
      if (Verdict illegal = ExtendAtEnd(PageCount{1})) return illegal;
      block = model_.TakeBlock();
    }
    outcome.first = block ? block->first.raw : Outcome::kNone;
    outcome.scavenged = block ? block->scavenged : 0;
    outcome.mask = block ? block->pages : 0;
    return std::nullopt;
  }

  Verdict ReturnCache(const Op& op) {
    if (op.at.raw % kBlockPages != 0) return Illegal{"OFF is not a multiple of 64", kRecordAdvice};
    if (!model_.in_heap(Page(op.at))) {
      return Illegal{"page " + Text(op.at.raw) + " is not in the heap", kCutAdvice};
    }
    if ((op.scavenged_mask() & ~op.mask) != 0) {
      return Illegal{"SCAVMASK has pages that MASK has not",
                     "Only pages that come back can be marked scavenged."};
    }
    for (std::uint64_t i = 0; i < kBlockPages; ++i) {
      const PageOffset page = Page(op.at) + PageCount{i};
      if ((op.mask >> i & 1) != 0 && model_.free(page)) {
        return Illegal{"page " + Text(page.raw) + " is free already", kRecordAdvice};
      }
    }
    model_.ReturnBlock({Page(op.at), op.mask, op.scavenged_mask()});
    for (std::uint64_t i = 0; track_freed_ && i < kBlockPages; ++i) {
      if ((op.mask >> i & 1) == 0) continue;
      freed_.Add(PageRange::Of(Page(op.at) + PageCount{i}, PageCount{1}), op_index_ + 1);
    }
    return std::nullopt;
  }

  [[nodiscard]] TraceOffset heap_end() const { return TraceOffset{model_.heap_end().raw}; }

  /// The place of an earlier operation, by its number.
  [[nodiscard]] std::string Place(std::size_t number) const {
    const std::uint32_t line = program_.ops[number - 1].line;
    return line != 0 ? "line " + Text(line) : "operation " + Text(number);
  }

  const Program& program_;
  const JudgeOptions& options_;
  PageMap model_;
  std::vector<Id> ids_;
  const bool track_freed_;
  FreedPages freed_;
  std::size_t op_index_ = 0;
  Judgement judgement_;
};

/// "= OFF MASK" of a page cache.
std::string CacheText(std::uint64_t first, std::uint64_t mask) {
  Op op = Op::TakeCache();
  op.expect = Expect::kResult;
  op.at = TraceOffset{first};
  op.mask = mask;
  return DescribeOp(op).substr(2);
}

}  // namespace

Result<Judgement, TraceError> Judge(const Program& program, const JudgeOptions& options) {
  PA_EXPECT(program.explicit_growth || program.FirstOf({OpKind::kGrow}) == nullptr);
  return Judging(program, options).Run();
}

Result<Judgement, TraceError> Judge(const ParsedTrace& trace, PageCount max_heap) {
  // The program ends where the reader stopped: what is not legal in it comes earlier in the file.
  Result<Judgement, TraceError> judged = Judge(trace.program, {.max_heap = max_heap});
  if (judged.ok() && trace.error) return *trace.error;
  return judged;
}

std::vector<Op> LegalOps(const Program& program) {
  const JudgeOptions options;
  return Judging(program, options).Legal();
}

std::optional<TraceError> FitsLayout(const Program& program, const Judgement& judgement,
                                     std::string_view layout, PageCount usable,
                                     PageCount chunk_pages) {
  PA_EXPECT(chunk_pages.raw != 0);
  const std::string name(layout);
  if (program.chunk_pages.raw % chunk_pages.raw != 0) {
    return TraceError{program.PositionOfMeta("chunk-pages"),
                      "chunks of " + Text(program.chunk_pages.raw) +
                          " pages are not whole chunks of layout " + name + ", which have " +
                          Text(chunk_pages.raw),
                      "Replay it on a layout whose chunk divides the trace's."};
  }
  const TraceOffset end{usable.raw};
  const auto too_high = std::find_if(judgement.growth.begin(), judgement.growth.end(),
                                     [end](const Growth& g) { return g.heap_end > end; });
  if (too_high == judgement.growth.end()) return std::nullopt;
  return TraceError{program.PositionOf(program.ops[too_high->op_index]),
                    "the heap would end at page " + Text(too_high->heap_end.raw) + ", and layout " +
                        name + " holds " + Text(usable.raw) + " pages",
                    "Replay it on a layout with more address space."};
}

std::optional<Difference> DifferenceFromExpectation(const Op& op, const Outcome& outcome) {
  if (op.expect == Expect::kNothing) return std::nullopt;
  const bool cache = op.kind == OpKind::kTakeCache;
  const auto text = [cache](std::uint64_t first, std::uint64_t mask) {
    if (first == Outcome::kNone) return std::string("= none");
    return cache ? CacheText(first, mask) : "= " + Text(first);
  };
  std::uint64_t expected = op.kind == OpKind::kScavenge ? op.mask : op.at.raw;
  if (op.expect == Expect::kNone) expected = Outcome::kNone;
  const bool same_mask = !cache || op.expect == Expect::kNone || op.mask == outcome.mask;
  if (expected == outcome.first && same_mask) return std::nullopt;
  return Difference{text(expected, op.mask), text(outcome.first, outcome.mask)};
}

}  // namespace pagealloc::bench
