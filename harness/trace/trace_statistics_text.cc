// Trace statistics as text.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "harness/trace/trace_statistics.h"

namespace pagealloc::bench {
namespace {

struct KindName {
  OpKind kind;
  std::string_view record;
  std::string_view meaning;
};
constexpr std::array kKinds{
    KindName{OpKind::kGrow, "g", "grow"},
    KindName{OpKind::kAllocate, "a", "allocate"},
    KindName{OpKind::kFree, "f", "free"},
    KindName{OpKind::kAllocateRange, "r", "allocRange"},
    KindName{OpKind::kFreeRange, "u", "free a range"},
    KindName{OpKind::kTakeCache, "c", "take a page cache"},
    KindName{OpKind::kReturnCache, "k", "return a page cache"},
    KindName{OpKind::kScavenge, "s", "scavenge"},
    KindName{OpKind::kNextGeneration, "n", "new generation"},
    KindName{OpKind::kFind, "-", "find"},
};

std::string Left(std::string_view text, std::size_t width) {
  std::string cell(text);
  cell.append(width > cell.size() ? width - cell.size() : 0, ' ');
  return cell;
}

std::string Right(std::string_view text, std::size_t width) {
  std::string cell(width > text.size() ? width - text.size() : 0, ' ');
  return cell.append(text);
}

std::string Number(std::uint64_t n, std::size_t width = 0) {
  return Right(std::to_string(n), width);
}

/// With `digits` after the point, always a point.
std::string Decimal(double value, int digits, std::size_t width = 0) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  std::string text(buffer.data());
  std::replace(text.begin(), text.end(), ',', '.');  // the user's locale may have a comma
  return Right(text, width);
}

std::string Percent(double share, std::size_t width = 0) {
  return Right(Decimal(100 * share, 1).append(" %"), width);
}

double Share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string Bar(double share) {
  constexpr double kWidth = 40;
  return std::string(static_cast<std::size_t>(std::lround(share * kWidth)), '#');
}

/// A row of a table with a bar, without spaces at its end.
void AppendBarRow(std::string& out, std::string_view name, std::uint64_t count, double share) {
  out.append("  ").append(Left(name, 16)).append(Number(count, 12)).append(Percent(share, 9));
  if (const std::string bar = Bar(share); !bar.empty()) out.append("  ").append(bar);
  out.append("\n");
}

void AppendLine(std::string& out, std::string_view name, std::string_view value) {
  out.append("  ").append(Left(name, 44)).append(value).append("\n");
}

std::string ClassName(SizeClass c) {
  std::string name = std::to_string(c.low);
  if (c.high == 0) return name.append(" or more");
  if (c.high != c.low) name.append("-").append(std::to_string(c.high));
  return name;
}

void AppendLifetimes(std::string& out, std::string_view what, const LifetimeStatistics& lived) {
  const std::uint64_t all = lived.freed + lived.never_freed;
  if (all == 0) return;
  out.append("\nlifetimes of ").append(what).append(", in events until the last page is freed\n");
  AppendLine(out, "never freed",
             Number(lived.never_freed)
                 .append(" (")
                 .append(Percent(Share(lived.never_freed, all)))
                 .append(")"));
  if (lived.freed == 0) return;
  AppendLine(out, "of the others 25 %, 50 %, 75 % live at most",
             Number(lived.lower)
                 .append(", ")
                 .append(Number(lived.median))
                 .append(", ")
                 .append(Number(lived.upper)));
  std::size_t first = 0;
  while (lived.by_log2[first] == 0) ++first;
  for (std::size_t i = first; i < lived.by_log2.size(); ++i) {
    AppendBarRow(out, std::string("from 2^").append(std::to_string(i)), lived.by_log2[i],
                 Share(lived.by_log2[i], lived.freed));
  }
}

}  // namespace

std::string StatisticsText(const TraceStatistics& statistics) {
  std::string out = "events";
  if (statistics.set_up_events > 0) {
    out.append(" (after ").append(Number(statistics.set_up_events)).append(" of set-up)");
  }
  out.append("\n");
  for (const KindName& kind : kKinds) {
    const auto& events = statistics.by_kind[static_cast<std::size_t>(kind.kind)];
    if (events.count == 0) continue;
    out.append("  ").append(kind.record).append(" ").append(Left(kind.meaning, 20));
    out.append(Number(events.count, 12));
    if (events.none > 0)
      out.append(", ").append(Number(events.none)).append(" of them got nothing");
    out.append("\n");
  }
  out.append("  ").append(Left("all", 22)).append(Number(statistics.events, 12)).append("\n");

  if (statistics.allocations > 0) {
    out.append("\nallocations by pages\n");
    for (std::size_t c = 0; c < kSizeClasses.size(); ++c) {
      if (statistics.by_size[c] == 0) continue;
      AppendBarRow(out, ClassName(kSizeClasses[c]), statistics.by_size[c],
                   Share(statistics.by_size[c], statistics.allocations));
    }
    AppendLine(out, "mean, largest",
               Decimal(Share(statistics.allocated_pages.raw, statistics.allocations), 2)
                   .append(", ")
                   .append(Number(statistics.largest_allocation.raw)));
  }
  AppendLifetimes(out, "allocations", statistics.lifetimes);

  if (statistics.refills > 0) {
    out.append("\npage caches\n");
    AppendLine(out, "pages a refill, mean",
               Decimal(Share(statistics.refill_pages.raw, statistics.refills), 1));
    AppendLine(out, "refills with a free block of 64",
               Percent(Share(statistics.whole_blocks, statistics.refills)));
  }
  AppendLifetimes(out, "page cache blocks", statistics.block_lifetimes);

  out.append("\noccupancy\n");
  AppendLine(out, "pages of the heap at the end", Number(statistics.final_heap.raw));
  AppendLine(out, "pages in use, at most", Number(statistics.peak_in_use.raw));
  AppendLine(
      out, "share of the heap in use, mean and highest",
      Percent(statistics.mean_occupancy).append(", ").append(Percent(statistics.peak_occupancy)));
  if (!statistics.samples.empty()) {
    AppendLine(out, "share in use below the highest used page",
               Percent(statistics.mean_occupancy_below_top));
    out.append("\nfragmentation (mean of ").append(Number(statistics.samples.size()));
    out.append(" samples)\n");
    AppendLine(out, "free runs per 1000 pages", Decimal(statistics.free_runs_per_1000_pages, 1));
    AppendLine(out, "free runs of a single page", Percent(statistics.single_run_share));
    AppendLine(out, "share of the largest run in the free pages",
               Percent(statistics.largest_run_share));
  }
  return out;
}

}  // namespace pagealloc::bench
