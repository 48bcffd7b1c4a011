// The workload go-spans: sizes and lifetimes of spans as measured in recorded Go programs.
//
// The tables are data. Sizes: percent of span allocations by pages in 25 traces of Go 1.19
// programs, 13 of them tools and applications; of the HTTP server as counted in the trace
// http_loopback, whose sizes below 0.1 % are gathered in the last two rows. Lifetimes: quartiles as
// `trace inspect` prints them for the traces http_loopback, gofmt_std, compile_ssa, jsonround and
// mapcache_16p. What those programs never free (0 to 3 %, compilers 65 %) is left out: a workload
// that runs for as long as it is asked to cannot keep anything for ever.
#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/trace/workload_generators.h"

namespace pagealloc::bench {
namespace {

struct SizeShare {
  std::uint64_t low, high;       // pages
  std::uint64_t share_of_10000;  // of span allocations
};

constexpr std::array kToolSizes{
    SizeShare{1, 1, 8590},  SizeShare{2, 2, 330},    SizeShare{3, 3, 105},
    SizeShare{4, 4, 360},   SizeShare{5, 5, 100},    SizeShare{6, 7, 130},
    SizeShare{8, 8, 70},    SizeShare{9, 15, 130},   SizeShare{16, 31, 80},
    SizeShare{32, 63, 30},  SizeShare{64, 127, 50},  SizeShare{128, 255, 10},
    SizeShare{256, 511, 4}, SizeShare{512, 2047, 2},
};

constexpr std::array kAllSizes{
    SizeShare{1, 1, 5990},   SizeShare{2, 2, 440},     SizeShare{3, 3, 320},
    SizeShare{4, 4, 580},    SizeShare{5, 5, 770},     SizeShare{6, 7, 420},
    SizeShare{8, 8, 200},    SizeShare{9, 15, 530},    SizeShare{16, 31, 380},
    SizeShare{32, 63, 170},  SizeShare{64, 127, 110},  SizeShare{128, 255, 50},
    SizeShare{256, 511, 20}, SizeShare{512, 2047, 25},
};

constexpr std::array kHttpSizes{
    SizeShare{1, 1, 6383},   SizeShare{2, 2, 783},   SizeShare{3, 3, 321},   SizeShare{4, 4, 107},
    SizeShare{5, 5, 525},    SizeShare{6, 6, 46},    SizeShare{7, 7, 440},   SizeShare{8, 8, 205},
    SizeShare{9, 9, 451},    SizeShare{12, 12, 215}, SizeShare{16, 16, 161}, SizeShare{21, 21, 77},
    SizeShare{27, 27, 19},   SizeShare{34, 34, 13},  SizeShare{81, 81, 165}, SizeShare{32, 127, 62},
    SizeShare{128, 268, 27},
};

struct SpanMix {
  std::string_view name;
  std::span<const SizeShare> sizes;
};
constexpr std::array kMixes{SpanMix{"tools", kToolSizes}, SpanMix{"all", kAllSizes},
                            SpanMix{"http", kHttpSizes}};

/// Quartiles of lifetimes, in span events from allocation to free.
struct Lifetimes {
  std::string_view name;
  std::uint64_t lower, median, upper;
};
constexpr std::array kLifetimes{
    Lifetimes{"http", 1636, 2528, 4021}, Lifetimes{"gofmt", 659, 1379, 4130},
    Lifetimes{"compiler", 22304, 34123, 59605}, Lifetimes{"json", 11832, 25637, 65058},
    Lifetimes{"map-cache", 21474, 40680, 76597}};

PageCount DrawSize(std::span<const SizeShare> sizes, Random& random) {
  std::uint64_t total = 0;
  for (const SizeShare& row : sizes) total += row.share_of_10000;
  std::uint64_t pick = random.Below(total);
  for (const SizeShare& row : sizes) {
    if (pick < row.share_of_10000) {
      // Inside a row, smaller sizes are the more frequent.
      return PageCount{row.low + random.Below(random.Between(1, row.high - row.low + 1))};
    }
    pick -= row.share_of_10000;
  }
  PA_EXPECT(false);
  return PageCount{1};
}

/// A quarter of the lifetimes between each two neighbours of: lower / 4, lower, median, upper,
/// upper * 2.
std::uint64_t DrawLifetime(const Lifetimes& quartiles, Random& random) {
  const std::array<std::uint64_t, 5> knots{quartiles.lower / 4, quartiles.lower, quartiles.median,
                                           quartiles.upper, quartiles.upper * 2};
  const std::size_t quarter = static_cast<std::size_t>(random.Below(4));
  return random.Between(knots[quarter], knots[quarter + 1]);
}

/// The heap of a garbage-collected program: what died is freed by the next sweep, all together.
class SweptHeap {
 public:
  SweptHeap(WorkloadScript& script, std::uint64_t sweep_interval)
      : script_(script), interval_(sweep_interval), limit_(script.Share(kLimitPercent)) {}

  /// Allocates; what came of it is freed by the sweep nearest to `lifetime` events from now,
  /// which is a later one: `lifetime` is at least a sweep interval (contract).
  void Allocate(PageCount n, std::uint64_t lifetime) {
    PA_EXPECT(lifetime >= interval_, lifetime, interval_);
    n = std::min(n, limit_);
    while (script_.in_use() + n > limit_ && !script_.done()) Sweep();
    if (script_.done()) return;
    const std::uint64_t now = script_.size();
    const auto object = script_.Allocate(n);
    if (!object) return;
    dying_[(now + lifetime + interval_ / 2) / interval_].push_back(*object);
  }

  /// Frees what is due.
  void SweepIfDue() {
    while (!dying_.empty() && dying_.begin()->first * interval_ <= script_.size() &&
           !script_.done()) {
      Sweep();
    }
  }

 private:
  // As a runtime with a memory limit, the heap is swept early rather than filled to the last page.
  static constexpr std::uint64_t kLimitPercent = 95;

  /// Frees those who die next, in the order of allocation; the script may end in between.
  void Sweep() {
    const std::vector<Object> dead = std::move(dying_.begin()->second);
    dying_.erase(dying_.begin());
    for (const Object& object : dead) {
      if (script_.done()) return;
      script_.Free(object);
    }
  }

  WorkloadScript& script_;
  std::uint64_t interval_;
  PageCount limit_;
  std::map<std::uint64_t, std::vector<Object>> dying_;  // by number of the sweep
};

template <class Table>
const auto& Named(const Table& table, std::string_view name) {
  for (const auto& row : table) {
    if (row.name == name) return row;
  }
  PA_EXPECT(false);  // every name of the catalogue has a row; tested
  return table[0];
}

}  // namespace

std::optional<Problem> MakeGoSpans(WorkloadContext& context) {
  const SpanMix& mix = Named(kMixes, context.Word("mix"));
  const Lifetimes& lifetimes = Named(kLifetimes, context.Word("lifetimes"));
  WorkloadScript& script = context.script;
  // A sweep's own frees take time, too: with rare, long sweeps all would live longer than drawn.
  SweptHeap heap(script, lifetimes.lower / 4);
  const auto step = [&] {
    heap.SweepIfDue();
    if (script.done()) return;
    const PageCount n = DrawSize(mix.sizes, context.random);
    heap.Allocate(n, DrawLifetime(lifetimes, context.random));
  };
  // The longest lifetime has passed: as many die as are born.
  while (script.size() < 2 * lifetimes.upper) step();
  script.StartMeasuring();
  while (!script.done()) step();
  return std::nullopt;
}

}  // namespace pagealloc::bench
