#include "harness/trace/workload_script.h"

#include <algorithm>
#include <bit>

namespace pagealloc::bench {
namespace {

TraceOffset InTrace(PageOffset page) { return TraceOffset{page.raw}; }

/// `total` cut into `parts` random lengths of at least one, about equal on average.
class Partition {
 public:
  Partition(std::uint64_t total, std::uint64_t parts) : left_(total), parts_(parts) {
    PA_EXPECT(total >= parts, total, parts);
  }
  std::uint64_t Next(Random& random) {
    PA_EXPECT(parts_ >= 1);
    const std::uint64_t most = left_ - (parts_ - 1);
    const std::uint64_t part =
        parts_ == 1 ? left_ : std::min(most, random.Between(1, 2 * (left_ / parts_) - 1));
    left_ -= part;
    --parts_;
    return part;
  }

 private:
  std::uint64_t left_;
  std::uint64_t parts_;
};

}  // namespace

WorkloadScript::WorkloadScript(PageCount pages, std::uint64_t measured_ops)
    : heap_(pages), measured_ops_(measured_ops) {
  program_.explicit_growth = true;
  Write(Op::Grow(TraceOffset{0}, pages));
}

void WorkloadScript::StartMeasuring() {
  PA_EXPECT(!measuring_);
  measuring_ = true;
  program_.measured_from = program_.ops.size();
  end_ = program_.ops.size() + static_cast<std::size_t>(measured_ops_);
  program_.ops.reserve(end_);
}

void WorkloadScript::Write(const Op& op) {
  PA_EXPECT(!done());
  program_.ops.push_back(op);
}

std::optional<Object> WorkloadScript::Allocate(PageCount n) {
  const bool fresh = unused_ids_.empty();
  const std::uint32_t id = fresh ? program_.id_count : unused_ids_.back();
  if (fresh) {
    ++program_.id_count;
  } else {
    unused_ids_.pop_back();
  }
  Write(Op::Allocate(id, n));
  const auto first = heap_.Allocate(n);
  if (!first) {
    unused_ids_.push_back(id);
    return std::nullopt;
  }
  return Object{*first, n, id};
}

void WorkloadScript::Free(const Object& object) {
  if (object.id == Object::kNoId) {
    FreeRange(object.range());
    return;
  }
  Write(Op::Free(object.id));
  heap_.Free(object.range());
  unused_ids_.push_back(object.id);
}

void WorkloadScript::AllocateRange(PageRange range) {
  Write(Op::AllocateRange(InTrace(range.begin), range.size()));
  heap_.Take(range);
}

void WorkloadScript::FreeRange(PageRange range) {
  Write(Op::FreeRange(InTrace(range.begin), range.size()));
  heap_.Free(range);
}

void WorkloadScript::Find(PageCount n) { Write(Op::Find(n)); }

std::optional<FirstFit::Block> WorkloadScript::TakeCache() {
  const auto block = heap_.TakeBlock();
  if (block) Write(Op::TakeCache());
  return block;
}

void WorkloadScript::ReturnCache(const FirstFit::Block& block) {
  Write(Op::ReturnCache(InTrace(block.first), block.pages));
  heap_.ReturnBlock(block);
}

void WorkloadScript::Scavenge(PageCount n, bool background) { Write(Op::Scavenge(n, background)); }

void WorkloadScript::NextGeneration() { Write(Op::NextGeneration()); }

void WorkloadScript::BeginWithoutHeap() {
  PA_EXPECT(program_.ops.size() == 1);
  program_.ops.clear();
  heap_.Take({PageOffset{0}, PageOffset{heap_.pages().raw}});
}

void WorkloadScript::Grow(PageRange range) {
  Write(Op::Grow(InTrace(range.begin), range.size()));
  heap_.Free(range);
}

void Population::FillTo(PageCount target, Sizes sizes) {
  PA_EXPECT(empty() && script_.in_use().raw == 0);
  const std::uint64_t pages = script_.pages().raw;
  if (pages / sizes.mean() > kMaxIdObjects) {
    CutIntoObjects(sizes);
    const std::uint64_t objects_to_free = range_objects_ - range_objects_ * target.raw / pages;
    const std::uint64_t together = objects_to_free / kMaxHoles + 1;
    while (script_.in_use() > target) FreeNeighbours(together);
    return;
  }
  for (PageCount n = sizes.Draw(random_); script_.in_use().raw + n.raw <= pages;
       n = sizes.Draw(random_)) {
    Allocate(n);
  }
  while (script_.in_use() > target) FreeRandom();
}

bool Population::Allocate(PageCount n) {
  const auto object = script_.Allocate(n);
  if (object) objects_.push_back(*object);
  return object.has_value();
}

void Population::FreeRandom() {
  PA_EXPECT(!empty());
  const std::uint64_t pick = random_.Below(objects_.size() + range_objects_);
  if (pick >= objects_.size()) {
    FreeNeighbours(1);
    return;
  }
  Object& victim = objects_[static_cast<std::size_t>(pick)];
  script_.Free(victim);
  victim = objects_.back();
  objects_.pop_back();
}

void Population::CutIntoObjects(Sizes sizes) {
  const std::uint64_t pages = script_.pages().raw;
  begins_.assign(static_cast<std::size_t>(pages), false);
  for (std::uint64_t page = 0; page < pages; page += sizes.Draw(random_).raw) {
    begins_[static_cast<std::size_t>(page)] = true;
    ++range_objects_;
  }
  live_begins_ = begins_;
  script_.AllocateRange({PageOffset{0}, PageOffset{pages}});
}

PageOffset Population::RandomRangeObject() {
  PA_EXPECT(range_objects_ > 0);
  for (;;) {
    const std::uint64_t page = random_.Below(live_begins_.size());
    if (live_begins_[static_cast<std::size_t>(page)]) return PageOffset{page};
  }
}

PageOffset Population::EndOfRangeObject(PageOffset first) const {
  std::size_t page = static_cast<std::size_t>(first.raw) + 1;
  while (page < begins_.size() && !begins_[page]) ++page;
  return PageOffset{page};
}

void Population::FreeNeighbours(std::uint64_t count) {
  const PageOffset begin = RandomRangeObject();
  PageOffset end = begin;
  do {
    live_begins_[static_cast<std::size_t>(end.raw)] = false;
    --range_objects_;
    end = EndOfRangeObject(end);
  } while (--count > 0 && end.raw < live_begins_.size() &&
           live_begins_[static_cast<std::size_t>(end.raw)]);
  script_.FreeRange({begin, end});
}

std::vector<PageRange> MakeFragmentedHeap(WorkloadScript& script, std::uint64_t occupancy,
                                          Random& random) {
  constexpr unsigned kClasses = 11;
  // Pages of an average hole: classes 0 to 9 bring 3/4 of a page each, the last one twice that.
  constexpr std::uint64_t kMeanHole = 9;
  constexpr std::uint64_t kMaxHoles = std::uint64_t{1} << 18;
  constexpr std::uint64_t kMaxLastHole = 4096;

  const std::uint64_t pages = script.pages().raw;
  const std::uint64_t used = script.Share(occupancy).raw;
  const std::uint64_t last_hole = std::min((pages - used) / 4, kMaxLastHole);
  std::uint64_t to_free = pages - used - last_hole;
  unsigned lowest_class = 0;
  while (to_free / (kMeanHole << lowest_class) > kMaxHoles) ++lowest_class;

  std::vector<std::uint64_t> lengths;
  while (to_free > 0 && lengths.size() + 1 < used) {
    const unsigned drawn = static_cast<unsigned>(std::countr_zero(random.Next()));
    const std::uint64_t low = std::uint64_t{1} << std::min(lowest_class + drawn, kClasses - 1);
    lengths.push_back(std::min(to_free, random.Between(low, 2 * low - 1)));
    to_free -= lengths.back();
  }
  // Pages that are left because there are more holes than pages between them: the last hole's.
  lengths.push_back(last_hole + to_free);

  std::vector<PageRange> holes;
  script.AllocateRange({PageOffset{0}, PageOffset{pages}});
  std::uint64_t page = 0;
  Partition between(used, std::min<std::uint64_t>(used, lengths.size()));
  for (std::uint64_t length : lengths) {
    if (used > 0) page += between.Next(random);
    if (length == 0) continue;
    holes.push_back(PageRange::Of(PageOffset{page}, PageCount{length}));
    script.FreeRange(holes.back());
    page += length;
  }
  PA_EXPECT(page == pages, page, pages);
  return holes;
}

}  // namespace pagealloc::bench
