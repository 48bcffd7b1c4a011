/// occupancy.h: how much of the address space the runs of a program take up, from where they lay.
///
/// An allocator that scatters live runs over a wide span needs more memory, more page tables and
/// more metadata than one that keeps them together, whatever its operations cost; so time is worth
/// little without this. Both are means over 64 moments, evenly spread over the measured operations:
///
///   ..##.#....###..#......     live: 7 pages     span: 14 pages, from the lowest to the highest
///     ^------------^
#pragma once

#include <cstdint>
#include <span>

#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

struct Occupancy {
  ByteCount span;             ///< mean; 0 where nothing lived
  ByteCount live;             ///< mean
  std::uint64_t no_room = 0;  ///< measured requests that got nothing

  friend bool operator==(const Occupancy&, const Occupancy&) = default;
};

/// @param outcomes  one for each operation (contract): what it gave.
/// @param origin    page that offset 0 stands for, where offsets may lie below it: they are added
///                  modulo 2^64. 0: there are none such.
/// @cost            a look into a tree of the chunks in use for each operation.
Occupancy OccupancyOf(const Program& program, std::span<const Outcome> outcomes,
                      PageOffset origin = PageOffset{0});

}  // namespace pagealloc::bench
