/// program.h: a list of operations with what is known about it; from a trace or from a workload.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/source_position.h"
#include "harness/trace/op.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// The default of `meta chunk-pages`: a chunk of every layout but one.
inline constexpr PageCount kDefaultChunkPages{512};

/// What must hold: ids are below id_count; explicit_growth is set if there is a kGrow; chunk_pages
/// is a multiple of 64, at least 64.
struct Program {
  std::string name;  ///< the trace's file as the user named it, or the workload
  /// Notes, in order. Not `chunk-pages` and `growth`, which are the two fields that follow, nor the
  /// `measured-from` that measured_from was read from.
  std::vector<std::pair<std::string, std::string>> meta;
  PageCount chunk_pages = kDefaultChunkPages;
  bool explicit_growth = false;  ///< the heap grows by kGrow only
  std::vector<Op> ops;
  std::size_t measured_from = 0;  ///< operations before this one are set-up: executed, not timed
  /// From measured_from on, each block of this many operations (the last may be shorter) is of one
  /// kind, so that a kind can be timed in batches; 0: kinds are mixed.
  std::uint32_t kind_block = 0;
  std::uint32_t id_count = 0;
  std::string text;  ///< the trace as read, for messages; empty if generated

  /// Place of an operation, which must be one of `ops`. Of a generated one: its number, from 1, and
  /// its trace form. Looks the line up in `text`: for messages only.
  [[nodiscard]] SourcePosition PositionOf(const Op& op) const;
  /// Place of the last `meta KEY`; of line 1 if there is none.
  [[nodiscard]] SourcePosition PositionOfMeta(std::string_view key) const;

  /// First operation of one of these kinds, or nullptr.
  [[nodiscard]] const Op* FirstOf(std::initializer_list<OpKind> kinds) const;

  /// Equal means the same operations: their kinds, pages and processors, and which allocation each
  /// kFree frees; growing the heap alike (chunk_pages, explicit_growth) and timed alike
  /// (measured_from). Not how ids are named, nor line numbers, notes or expectations. The same on
  /// every machine and compiler.
  [[nodiscard]] std::uint64_t stream_hash() const;
};

}  // namespace pagealloc::bench
