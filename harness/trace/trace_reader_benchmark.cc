/// How fast a trace is read, in records a second, on text that is in memory already.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

/// Allocations and frees as a recorded runtime makes them: lowest free ID, small sizes, a
/// processor.
std::string SpanTrace(std::size_t records) {
  std::string text = "pagetrace 1\n";
  std::uint64_t random = 1;
  std::vector<std::uint64_t> alive;
  std::vector<std::uint64_t> unused;
  std::uint64_t ids = 0;
  for (std::size_t i = 0; i < records; ++i) {
    random = random * 6364136223846793005 + 1442695040888963407;
    const std::uint64_t draw = random >> 33;
    if (alive.size() > 100'000 || (draw % 5 < 2 && !alive.empty())) {
      std::swap(alive[draw % alive.size()], alive.back());
      text += "f " + std::to_string(alive.back()) + '\n';
      unused.push_back(alive.back());
      alive.pop_back();
      continue;
    }
    if (unused.empty()) unused.push_back(ids++);
    text += "a " + std::to_string(unused.back()) + ' ' + std::to_string(1 + draw % 16) + " @" +
            std::to_string(draw % 4) + '\n';
    alive.push_back(unused.back());
    unused.pop_back();
  }
  return text;
}

void ParseSpanTrace(benchmark::State& state) {
  const auto records = static_cast<std::size_t>(state.range(0));
  const std::string text = SpanTrace(records);
  for (auto _ : state) {
    state.PauseTiming();
    std::string copy = text;
    state.ResumeTiming();
    ParsedTrace trace = ParseTrace("benchmark", std::move(copy));
    if (trace.error || trace.program.ops.size() != records) {
      state.SkipWithError("the trace was not read");
      break;
    }
    benchmark::DoNotOptimize(trace.program.ops.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(ParseSpanTrace)->Arg(10'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pagealloc::bench
