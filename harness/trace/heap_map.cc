#include "harness/trace/heap_map.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/base/parse_units.h"
#include "harness/trace/judge.h"

namespace pagealloc::bench {
namespace {

using testing::PageMap;

/// The final heap in cells of `chunks` chunks each; the last one of a range may be shorter.
std::vector<PageRange> RowsOf(const std::vector<PageRange>& heap, PageCount chunk_pages,
                              std::uint64_t chunks) {
  std::vector<PageRange> rows;
  for (const PageRange& range : heap) {
    for (PageOffset at = range.begin; at < range.end;) {
      const std::uint64_t end = std::min(at.raw + chunks * chunk_pages.raw, range.end.raw);
      rows.push_back({at, PageOffset{end}});
      at = PageOffset{end};
    }
  }
  return rows;
}

std::size_t Shade(double occupancy, std::size_t shades) {
  // 0 only where nothing is in use, the highest only where all is.
  const double scaled = occupancy * static_cast<double>(shades - 1);
  return static_cast<std::size_t>(occupancy > 0 ? std::max(scaled, 1.0) : 0.0);
}

}  // namespace

HeapMap MakeHeapMap(const Program& program, std::size_t max_moments, std::size_t max_rows) {
  PA_EXPECT(max_moments >= 1 && max_rows >= 1, max_moments, max_rows);
  HeapMap map;
  map.name = program.name;
  map.chunk_pages = program.chunk_pages;
  const std::size_t ops = program.ops.size();
  if (ops == 0) return map;

  std::vector<PageRange> heap;
  const auto judged = Judge(program, {.observer = [&](std::size_t op, const PageMap& model) {
                              if (op + 1 == ops) heap = model.grown_ranges();
                            }});
  PA_EXPECT(judged.ok());
  std::uint64_t chunks = 0;
  for (const PageRange& range : heap) chunks += range.size().raw / map.chunk_pages.raw;
  map.chunks_per_cell = std::max<std::uint64_t>(1, (chunks + max_rows - 1) / max_rows);
  map.rows = RowsOf(heap, map.chunk_pages, map.chunks_per_cell);

  const std::size_t moments = std::min(max_moments, ops);
  for (std::size_t i = 1; i <= moments; ++i) {
    map.moments.push_back(ops / moments * i + ops % moments * i / moments);
  }
  map.cells.reserve(map.moments.size() * map.rows.size());
  std::size_t next = 0;
  static_cast<void>(Judge(program, {.observer = [&](std::size_t op, const PageMap& model) {
                            if (op + 1 != map.moments[next]) return;
                            ++next;
                            for (const PageRange& row : map.rows) {
                              const PageMap::Counts counts = model.CountsOf(row);
                              map.cells.push_back(
                                  {counts.allocated + counts.free + counts.scavenged,
                                   counts.allocated, counts.scavenged});
                            }
                          }}));
  return map;
}

std::string HeapMapText(const HeapMap& map) {
  constexpr std::array<std::string_view, 5> kShades{".", "░", "▒", "▓", "█"};
  std::size_t width = 0;
  std::vector<std::string> labels;
  for (const PageRange& row : map.rows) {
    labels.push_back(std::to_string(row.begin.raw));
    width = std::max(width, labels.back().size());
  }
  std::string text = map.name + ": pages in use, by offset and time\n";
  for (std::size_t row = map.rows.size(); row-- > 0;) {
    const bool gap = row + 1 < map.rows.size() && map.rows[row].end != map.rows[row + 1].begin;
    if (gap) text.append(width - 1, ' ').append("~ a gap of the heap\n");
    text.append(width - labels[row].size(), ' ').append(labels[row]).append(" ");
    for (std::size_t moment = 0; moment < map.moments.size(); ++moment) {
      const HeapCell& cell = map.At(moment, row);
      if (cell.heap.raw == 0) {
        text += ' ';
      } else if (cell.in_use.raw == 0 && cell.mostly_scavenged()) {
        text += ',';
      } else {
        text += kShades[Shade(cell.occupancy(), kShades.size())];
      }
    }
    text += '\n';
  }
  text.append("a character: ").append(std::to_string(map.chunks_per_cell)).append(" chunks of ");
  text.append(std::to_string(map.chunk_pages.raw)).append(" pages");
  if (!map.moments.empty()) {
    text.append("; from left to right ").append(std::to_string(map.moments.back()));
    text.append(" operations");
  }
  text.append(
      ".\n' ' not in the heap, '.' free, ',' free and mostly scavenged, ░▒▓ less than all in use, "
      "█ all.\n");
  return text;
}

}  // namespace pagealloc::bench
