/// heap_map.h: a heap's occupancy over the course of a program, as a grid of cells.
///
///   program --MakeHeapMap()--> moments x cells --HeapMapText()--> for a terminal
///                                              --HeapMapSvg()---> a picture (heap_map_svg.h)
///
/// A cell is a number of neighbouring chunks at one moment: how many of their pages are in the
/// heap, in use, and scavenged. Gaps of the heap are left out, but no cell reaches over one. Taken
/// from the model, so the map is the same for every allocator that places by first fit. Standard
/// library only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/trace/program.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

struct HeapCell {
  PageCount heap;       ///< pages of the cell that are in the heap; 0: not grown yet
  PageCount in_use;     ///< of these
  PageCount scavenged;  ///< of those not in use

  /// Share of the heap's pages that is in use; 0 without any.
  [[nodiscard]] double occupancy() const {
    return heap.raw == 0 ? 0 : static_cast<double>(in_use.raw) / static_cast<double>(heap.raw);
  }
  /// More than half of what is free is with the operating system.
  [[nodiscard]] bool mostly_scavenged() const { return 2 * scavenged.raw > (heap - in_use).raw; }
};

struct HeapMap {
  std::string name;
  PageCount chunk_pages;
  std::uint64_t chunks_per_cell = 1;
  std::vector<PageRange> rows;       ///< what each cell covers, ascending; offsets of the trace
  std::vector<std::size_t> moments;  ///< operations done by then, ascending; the last is all
  std::vector<HeapCell> cells;       ///< moments.size() * rows.size(), moment by moment

  [[nodiscard]] const HeapCell& At(std::size_t moment, std::size_t row) const {
    return cells[moment * rows.size() + row];
  }
};

/// Runs a legal program (contract) on the model twice: for the heap's final extent, and to look at
/// it.
///
/// @param max_moments  columns at most, evenly spaced over the operations; at least 1 (contract)
/// @param max_rows     cells of a column at most, unless the heap has more ranges; at least 1
/// @cost               twice the judging, and moments times pages of the heap
[[nodiscard]] HeapMap MakeHeapMap(const Program& program, std::size_t max_moments,
                                  std::size_t max_rows);

/// The map for a terminal: a line a row of cells, the highest address first, a character a moment.
/// Lines end in LF; a legend stands below.
///
///   ' ' not in the heap   '.' nothing in use   ',' the same, mostly scavenged   ░ ▒ ▓ █ quarters
[[nodiscard]] std::string HeapMapText(const HeapMap& map);

/// The map as an SVG document: time from left to right, addresses upwards, eight shades of
/// occupancy, a dot in cells that are mostly scavenged, axes and a legend. No scripts, no network;
/// it follows a light or dark colour scheme.
[[nodiscard]] std::string HeapMapSvg(const HeapMap& map);

}  // namespace pagealloc::bench
