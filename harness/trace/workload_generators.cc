#include "harness/trace/workload_generators.h"

#include <algorithm>
#include <vector>

#include "harness/base/parse_units.h"

namespace pagealloc::bench {
namespace {

/// Writes a block of allocations of the given sizes (fewer if the script ends), then their frees in
/// random order.
void WriteBlock(WorkloadContext& context, std::uint64_t count, Sizes sizes) {
  WorkloadScript& script = context.script;
  std::vector<Object> objects;
  for (std::uint64_t i = 0; i < count && !script.done(); ++i) {
    const auto object = script.Allocate(sizes.Draw(context.random));
    PA_EXPECT(object.has_value());  // the callers' heaps have room for a block
    objects.push_back(*object);
  }
  context.random.Shuffle(objects);
  for (const Object& object : objects) {
    if (script.done()) break;
    script.Free(object);
  }
}

}  // namespace

void MeasureOneKind(WorkloadScript& script) {
  script.StartMeasuring();
  script.program().kind_block = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(script.measured_ops(), std::uint64_t{1} << 31));
}

Problem TooSmall(std::string_view what, PageCount have, std::uint64_t need) {
  std::string sentence(what);
  sentence.append(" needs ").append(std::to_string(need)).append(" pages, and this heap has ");
  sentence.append(std::to_string(have.raw)).append(" for it. Take a larger --heap");
  sentence.append(", or smaller sizes.");
  return {std::move(sentence)};
}

std::optional<Problem> MakeHot(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  MakeFragmentedHeap(script, context.Number("occupancy"), context.random);
  script.StartMeasuring();
  while (!script.done()) WriteBlock(context, 1, Sizes{1, 1});
  return std::nullopt;
}

std::optional<Problem> MakeSequential(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const std::string& order = context.Word("order");
  const std::uint64_t fill =
      std::min(script.pages().raw, std::max<std::uint64_t>(1, script.measured_ops() / 2));
  script.StartMeasuring();
  script.program().kind_block = static_cast<std::uint32_t>(fill);
  std::vector<Object> objects;
  while (!script.done()) {
    objects.clear();
    while (objects.size() < fill && !script.done()) {
      objects.push_back(*script.Allocate(PageCount{1}));
    }
    if (order == "reverse") {
      std::reverse(objects.begin(), objects.end());
    } else if (order == "random") {
      context.random.Shuffle(objects);
    }
    for (const Object& object : objects) {
      if (script.done()) break;
      script.Free(object);
    }
  }
  return std::nullopt;
}

std::optional<Problem> MakeChurn(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("sizes");
  const PageCount target = script.Share(context.Number("occupancy"));
  if (sizes.high > target.raw) return TooSmall("the largest size", target, sizes.high);
  Population population(script, context.random);
  population.FillTo(target, sizes);
  script.StartMeasuring();
  while (!script.done()) {
    // The size is drawn before room is made for it: a size that is hard to place is not replaced by
    // an easier one.
    const PageCount n = sizes.Draw(context.random);
    while (script.in_use() + n > target && !script.done()) population.FreeRandom();
    if (!script.done()) population.Allocate(n);
  }
  return std::nullopt;
}

std::optional<Problem> MakeSawtooth(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("sizes");
  const PageCount low = script.Share(context.Number("low"));
  const PageCount high = script.Share(context.Number("high"));
  if (high < low || (high - low).raw < sizes.high) {
    return TooSmall("one allocation between low and high", high < low ? PageCount{0} : high - low,
                    sizes.high);
  }
  Population population(script, context.random);
  population.FillTo(low, sizes);
  script.StartMeasuring();
  while (!script.done()) {
    // A failure ends the rise too: near a full heap `high` may be out of reach.
    for (bool rising = true; rising && !script.done();) {
      const PageCount n = sizes.Draw(context.random);
      rising = script.in_use() + n <= high && population.Allocate(n);
    }
    while (script.in_use() > low && !script.done()) population.FreeRandom();
  }
  return std::nullopt;
}

std::optional<Problem> MakeSwissCheese(WorkloadContext& context) {
  constexpr std::uint64_t kMaxHoles = std::uint64_t{1} << 20;
  constexpr std::uint64_t kMaxBlock = 4096;

  WorkloadScript& script = context.script;
  const Sizes runs = context.SizesOf("sizes");
  const std::uint64_t pages = script.pages().raw;
  const std::uint64_t room = pages / 4;  // above the cheese, where runs fit
  const std::uint64_t chunks = (pages - room) / kDefaultChunkPages.raw;
  const std::uint64_t holes_a_chunk = kDefaultChunkPages.raw / 2;
  // On heaps with more holes than that only every stride-th chunk is cheese, the others are full.
  const std::uint64_t stride = chunks * holes_a_chunk / kMaxHoles + 1;
  if (room < runs.high) return TooSmall("a run", PageCount{room}, runs.high);

  const std::uint64_t cheese_end = chunks * kDefaultChunkPages.raw;
  script.AllocateRange({PageOffset{0}, PageOffset{cheese_end}});
  std::uint64_t holes = 0;
  for (std::uint64_t chunk = 0; chunk < chunks; chunk += stride) {
    for (std::uint64_t i = 0; i < holes_a_chunk; ++i, ++holes) {
      const PageOffset page{chunk * kDefaultChunkPages.raw + 2 * i + 1};
      script.FreeRange(PageRange::Of(page, PageCount{1}));
    }
  }
  const std::uint64_t block = std::min({kMaxBlock, holes, room / runs.high});
  script.StartMeasuring();
  script.program().kind_block = static_cast<std::uint32_t>(block);
  while (!script.done()) {
    WriteBlock(context, block, Sizes{1, 1});
    WriteBlock(context, block, runs);
  }
  return std::nullopt;
}

std::optional<Problem> MakeFindOnly(WorkloadContext& context) {
  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("pages");
  const std::string& occupancy = context.Word("occupancy");
  // The shape is the same for every size searched for, so that sizes can be compared.
  Random shape(SubSeed(context.seed, "find-only shape " + occupancy));
  MakeFragmentedHeap(script, context.Number("occupancy"), shape);
  MeasureOneKind(script);
  while (!script.done()) script.Find(sizes.Draw(context.random));
  return std::nullopt;
}

std::optional<Problem> MakeAllocRangeOnly(WorkloadContext& context) {
  constexpr std::uint64_t kMaxBlock = 1024;

  WorkloadScript& script = context.script;
  const Sizes sizes = context.SizesOf("pages");
  std::vector<PageRange> places;
  for (PageRange hole : MakeFragmentedHeap(script, context.Number("occupancy"), context.random)) {
    for (PageCount n = sizes.Draw(context.random); n <= hole.size();
         n = sizes.Draw(context.random)) {
      places.push_back(PageRange::Of(hole.begin, n));
      hole.begin += n;
    }
  }
  if (places.empty()) return TooSmall("a free place", PageCount{0}, sizes.high);
  // A block takes at most a sixteenth of the heap: the occupancy stays what was asked for.
  const std::uint64_t sixteenth = std::max<std::uint64_t>(1, script.pages().raw / 16 / sizes.high);
  const std::uint64_t block = std::min({kMaxBlock, sixteenth, std::uint64_t{places.size()}});
  script.StartMeasuring();
  script.program().kind_block = static_cast<std::uint32_t>(block);
  std::size_t next = places.size();  // all places once in random order, then again in another
  std::vector<PageRange> taken;
  while (!script.done()) {
    if (places.size() - next < block) {
      context.random.Shuffle(places);
      next = 0;
    }
    taken.clear();
    while (taken.size() < block && !script.done()) {
      taken.push_back(places[next++]);
      script.AllocateRange(taken.back());
    }
    for (PageRange range : taken) {
      if (script.done()) break;
      script.FreeRange(range);
    }
  }
  return std::nullopt;
}

}  // namespace pagealloc::bench
