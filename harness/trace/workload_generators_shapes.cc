// Workloads that are about a shape: the order of frees, growth, page caches, runs above a root
// entry, a distribution that changes, first fit's worst case, and requests that fail.
#include <algorithm>
#include <deque>
#include <vector>

#include "harness/trace/workload_generators.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kChunk = kDefaultChunkPages.raw;

/// Fills the heap to its occupancy with objects of the sizes `first`; then each operation allocates
/// an object, whose sizes are sizes_at(operation), or frees the oldest one to make room for it.
template <class SizesAt>
std::optional<Problem> RunQueue(WorkloadContext& context, Sizes first, std::uint64_t largest,
                                SizesAt sizes_at) {
  WorkloadScript& script = context.script;
  const PageCount target = script.Share(context.Number("occupancy"));
  if (largest > target.raw) return TooSmall("the largest size", target, largest);
  std::deque<Object> queue;
  const auto allocate = [&](PageCount n) {
    if (const auto object = script.Allocate(n)) queue.push_back(*object);
  };
  // Large heaps begin with larger objects: at most 2^20 of them.
  const std::uint64_t smallest = target.raw / (std::uint64_t{1} << 20) + 1;
  const auto draw_first = [&] {
    return PageCount{std::max(smallest, first.Draw(context.random).raw)};
  };
  for (PageCount n = draw_first(); script.in_use() + n <= target; n = draw_first()) allocate(n);
  script.StartMeasuring();
  const std::uint64_t begin = script.size();
  while (!script.done()) {
    const PageCount n = sizes_at(script.size() - begin).Draw(context.random);
    while (script.in_use() + n > target && !script.done()) {
      script.Free(queue.front());
      queue.pop_front();
    }
    if (!script.done()) allocate(n);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Problem> MakeLifo(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("sizes");
  const std::uint64_t depth = context.Number("depth");
  const auto holes = MakeFragmentedHeap(script, context.Number("occupancy"), context.random);
  const PageCount room = holes.back().size();  // the hole at the heap's end
  if (room.raw < sizes.high) return TooSmall("the largest size", room, sizes.high);
  const std::uint64_t objects_at_most = std::min(depth, room.raw / sizes.high);
  script.StartMeasuring();
  std::vector<Object> stack;
  while (!script.done()) {
    while (stack.size() < objects_at_most && !script.done()) {
      stack.push_back(*script.Allocate(sizes.Draw(context.random)));
    }
    for (; !stack.empty() && !script.done(); stack.pop_back()) script.Free(stack.back());
  }
  return std::nullopt;
}

std::optional<Problem> MakeFifo(WorkloadContext& context) {
  const Sizes sizes = context.SizesOf("sizes");
  return RunQueue(context, sizes, sizes.high, [sizes](std::uint64_t) { return sizes; });
}

std::optional<Problem> MakePhases(WorkloadContext& context) {
  // Small objects, then mixed ones, then runs that must go where the small ones were, and back.
  static constexpr std::array kSizes{Sizes{1, 1}, Sizes{1, 16}, Sizes{64, 256}, Sizes{2, 4}};
  const std::uint64_t phases = context.Number("phases");
  const std::uint64_t ops = context.script.measured_ops();
  return RunQueue(context, kSizes[0], kSizes[2].high, [=](std::uint64_t op) {
    return kSizes[HostSize((op * phases / ops + 1) % kSizes.size())];
  });
}

std::optional<Problem> MakeHuge(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes share = context.SizesOf("share");
  script.StartMeasuring();
  std::vector<Object> live;
  while (!script.done()) {
    const std::uint64_t percent = share.Draw(context.random).raw;
    const PageCount n{std::max<std::uint64_t>(1, script.Share(percent).raw)};
    // A heap holds few of these. One that does not fit, for fragmentation too, frees one more.
    auto object = script.Allocate(n);
    while (!object && !live.empty() && !script.done()) {
      std::swap(live[static_cast<std::size_t>(context.random.Below(live.size()))], live.back());
      script.Free(live.back());
      live.pop_back();
      if (!script.done()) object = script.Allocate(n);
    }
    if (object) live.push_back(*object);
  }
  return std::nullopt;
}

std::optional<Problem> MakeGrow(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("sizes");
  const std::string& order = context.Word("order");
  const std::uint64_t chunks = script.pages().raw / kChunk;
  std::vector<std::uint64_t> to_grow;  // from the back
  for (std::uint64_t i = chunks; i-- > 0;) {
    to_grow.push_back(order == "down" ? chunks - 1 - i : i);
  }
  if (order == "gaps") {  // every other chunk, then the gaps
    std::stable_partition(to_grow.begin(), to_grow.end(), [](std::uint64_t c) { return c % 2; });
  } else if (order == "random") {
    context.random.Shuffle(to_grow);
  }
  script.BeginWithoutHeap();
  script.StartMeasuring();
  std::vector<Object> objects;
  while (!script.done()) {
    const PageCount n = sizes.Draw(context.random);
    // The failing search belongs to what growth costs: it comes before each.
    std::optional<Object> object = script.Allocate(n);
    for (std::uint64_t grown = 0; !object && grown < n.raw && !to_grow.empty() && !script.done();
         grown += kChunk) {
      script.Grow(PageRange::Of(PageOffset{to_grow.back() * kChunk}, kDefaultChunkPages));
      to_grow.pop_back();
    }
    if (!object && !script.done()) object = script.Allocate(n);
    if (object) {
      objects.push_back(*object);
    } else if (to_grow.empty()) {  // full: empty it, in the order of its filling
      for (const Object& old : objects) {
        if (script.done()) break;
        script.Free(old);
      }
      objects.clear();
    }
  }
  return std::nullopt;
}

std::optional<Problem> MakeNoRoom(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("pages");
  for (const PageRange hole :
       MakeFragmentedHeap(script, context.Number("occupancy"), context.random)) {
    if (hole.size().raw >= sizes.low) script.AllocateRange(hole);
  }
  MeasureOneKind(script);
  while (!script.done()) script.Allocate(sizes.Draw(context.random));
  return std::nullopt;
}

std::optional<Problem> MakeCache(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const std::uint64_t caches = context.Number("caches");
  MakeFragmentedHeap(script, context.Number("occupancy"), context.random);
  script.StartMeasuring();
  std::vector<FirstFit::Block> taken;
  while (!script.done()) {
    while (taken.size() < caches && !script.done()) {
      const auto block = script.TakeCache();
      if (!block) break;  // so many caches hold all that was free
      taken.push_back(*block);
    }
    context.random.Shuffle(taken);
    for (const FirstFit::Block& block : taken) {
      if (script.done()) break;
      script.ReturnCache(block);
    }
    taken.clear();
  }
  return std::nullopt;
}

std::optional<Problem> MakeScavenge(WorkloadContext& context) {
  // A generation every so many scavengings: the background cursor follows once a generation.
  constexpr std::uint64_t kScavengingsAGeneration = 16;

  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("sizes");
  const PageCount target = script.Share(context.Number("occupancy"));
  const std::uint64_t every = context.Number("every");
  const PageCount pages{context.Number("pages")};
  const bool background = context.Word("mode") == "background";
  if (sizes.high > target.raw) return TooSmall("the largest size", target, sizes.high);
  Population population(script, context.random);
  population.FillTo(target, sizes);
  script.StartMeasuring();
  std::uint64_t done = 0;
  std::uint64_t scavengings = 0;
  const auto between = [&] {
    if (++done % every != 0 || script.done()) return;
    if (scavengings++ % kScavengingsAGeneration == 0) script.NextGeneration();
    if (!script.done()) script.Scavenge(pages, background);
  };
  while (!script.done()) {
    const PageCount n = sizes.Draw(context.random);
    while (script.in_use() + n > target && !script.done()) {
      population.FreeRandom();
      between();
    }
    if (script.done()) break;
    population.Allocate(n);
    between();
  }
  return std::nullopt;
}

/// J. M. Robson's construction (Bounds for some functions concerning dynamic storage allocation,
/// JACM 21, 1974): sizes double; of the objects of each step as few stay as leave no hole for the
/// next. What stays are those that cover a page congruent to an offset, modulo the next size.
std::optional<Problem> MakeAdversary(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const std::uint64_t steps = context.Number("steps");
  const PageCount live = script.Share(context.Number("live"));
  const std::uint64_t largest = std::uint64_t{1} << steps;
  if (live.raw < largest) return TooSmall("the largest size", live, largest);
  // At most 2^18 single pages: larger heaps begin with larger objects.
  std::uint64_t unit = 1;
  while (live.raw / unit > (std::uint64_t{1} << 18)) unit *= 2;
  const auto covers = [](const Object& object, std::uint64_t offset, std::uint64_t modulus) {
    const std::uint64_t behind = (object.first.raw % modulus + modulus - offset) % modulus;
    return behind == 0 || behind + object.pages.raw > modulus;
  };
  script.StartMeasuring();
  std::vector<Object> objects;
  while (!script.done()) {
    std::uint64_t offset = 0;
    for (std::uint64_t size = unit; size <= largest * unit && !script.done(); size *= 2) {
      if (size > unit) {
        // Of the two offsets that continue the last one, that which keeps more.
        const auto kept_by = [&](std::uint64_t candidate) {
          return std::count_if(objects.begin(), objects.end(), [&](const Object& object) {
            return covers(object, candidate, size);
          });
        };
        if (kept_by(offset + size / 2) > kept_by(offset)) offset += size / 2;
        std::vector<Object> kept;
        for (const Object& object : objects) {
          if (script.done() || covers(object, offset, size)) {
            kept.push_back(object);
          } else {
            script.Free(object);
          }
        }
        objects = std::move(kept);
      }
      bool fits = true;
      while (fits && script.in_use().raw + size <= live.raw && !script.done()) {
        const auto object = script.Allocate(PageCount{size});
        fits = object.has_value();
        if (fits) objects.push_back(*object);
      }
    }
    for (const Object& object : objects) {
      if (script.done()) break;
      script.Free(object);
    }
    objects.clear();
  }
  return std::nullopt;
}

}  // namespace pagealloc::bench
