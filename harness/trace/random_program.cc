#include "harness/trace/random_program.h"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "testing/page_map.h"

namespace pagealloc::bench {
namespace {

using testing::PageMap;

/// Makes one operation at a time, and does it on the model to know what it gives.
class Maker {
 public:
  explicit Maker(std::uint32_t seed) : random_(seed) {
    program_.name = "random";
    if (Below(2) == 0) program_.chunk_pages = PageCount{64 * (1 + Below(3))};
    // On demand would need the judge's growth here: these programs say when the heap grows.
    program_.explicit_growth = true;
    map_.emplace(program_.chunk_pages);
    for (std::uint64_t i = Below(4); i > 0; --i) {
      program_.meta.emplace_back("key-" + std::to_string(i), "some words " + std::to_string(i));
    }
  }

  Program Make() {
    const std::uint64_t count = Below(300);
    while (program_.ops.size() < count) MakeOne();
    return std::move(program_);
  }

 private:
  std::uint64_t Below(std::uint64_t n) { return random_() % n; }
  PageRange Range() {
    return PageRange::Of(PageOffset{Below(1000)}, PageCount{1 + Below(1 + Below(40))});
  }
  static TraceOffset At(PageOffset page) { return TraceOffset{page.raw}; }

  void Add(const Op& op) { program_.ops.push_back(op); }

  void MakeOne() {
    switch (Below(9)) {
      case 0: {
        const std::uint64_t chunk = program_.chunk_pages.raw;
        const PageRange range =
            PageRange::Of(PageOffset{Below(12) * chunk}, PageCount{(1 + Below(2)) * chunk});
        if (!map_->CanGrow(range)) return;
        map_->Grow(range);
        return Add(Op::Grow(At(range.begin), range.size()));
      }
      case 1:
      case 2:
        return Allocate();
      case 3: {
        if (alive_.empty()) return;
        const Alive freed = alive_[Below(alive_.size())];
        if (!map_->AllAllocated(freed.range)) return;
        std::erase_if(alive_, [&](const Alive& a) { return a.id == freed.id; });
        free_ids_.push_back(freed.id);
        map_->Free(freed.range);
        return Add(Op::Free(freed.id));
      }
      case 4: {
        const PageRange range = Range();
        if (!map_->AllFree(range)) return;
        (void)map_->AllocateRange(range);
        return Add(Op::AllocateRange(At(range.begin), range.size()));
      }
      case 5: {
        const PageRange range = Range();
        if (!map_->AllAllocated(range)) return;
        map_->Free(range);
        // What is left of such an ID stays with it for ever.
        std::erase_if(alive_, [&](const Alive& a) { return a.range.Overlaps(range); });
        return Add(Op::FreeRange(At(range.begin), range.size()));
      }
      case 6: {
        Op op = Op::TakeCache();
        const std::optional<PageMap::Block> block = map_->TakeBlock();
        if (block) blocks_.push_back(*block);
        if (Below(2) == 0) {
          op.expect = block ? Expect::kResult : Expect::kNone;
          if (block) op.at = At(block->first);
          if (block) op.mask = block->pages;
        }
        return Add(op);
      }
      case 7: {
        if (blocks_.empty()) return;
        PageMap::Block block = blocks_.back();
        blocks_.pop_back();
        for (std::uint64_t i = 0; i < 64; ++i) {
          if (map_->free(block.first + PageCount{i})) block.pages &= ~(std::uint64_t{1} << i);
        }
        block.scavenged &= block.pages;
        map_->ReturnBlock(block);
        std::erase_if(alive_, [&](const Alive& a) {
          return a.range.Overlaps(PageRange::Of(block.first, PageCount{64}));
        });
        return Add(Op::ReturnCache(At(block.first), block.pages, block.scavenged));
      }
      default: {
        Op op = Below(2) == 0 ? Op::NextGeneration() : Op::Scavenge(PageCount{Below(9)});
        if (op.kind == OpKind::kScavenge) {
          op.background = Below(2) == 0;
          if (Below(2) == 0) {
            op.expect = Expect::kResult;
            op.mask = random_();
          }
        }
        return Add(op);
      }
    }
  }

  void Allocate() {
    const PageCount count{1 + Below(1 + Below(100))};
    const bool reuse = !free_ids_.empty() && Below(2) == 0;
    const std::uint32_t id = reuse ? free_ids_.back() : program_.id_count++;
    if (reuse) free_ids_.pop_back();
    Op op = Op::Allocate(id, count);
    if (Below(2) == 0) op.cpu = static_cast<std::uint32_t>(Below(20));
    const std::optional<Allocation> got = map_->Allocate(count);
    if (Below(2) == 0) {
      op.expect = got ? Expect::kResult : Expect::kNone;
      if (got) op.at = At(got->first);
    }
    if (got) {
      alive_.push_back({id, PageRange::Of(got->first, count)});
    } else {
      free_ids_.push_back(id);
    }
    Add(op);
  }

  struct Alive {
    std::uint32_t id;
    PageRange range;
  };

  std::mt19937 random_;
  Program program_;
  std::optional<PageMap> map_;
  std::vector<Alive> alive_;
  std::vector<std::uint32_t> free_ids_;
  std::vector<PageMap::Block> blocks_;
};

}  // namespace

Program RandomProgram(std::uint32_t seed) { return Maker(seed).Make(); }

}  // namespace pagealloc::bench
