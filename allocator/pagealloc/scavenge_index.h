/// scavenge_index.h: which chunks may hold memory that is worth giving back.
///
/// One 64-bit word a chunk, in the chunk map's blocks, says how many of its pages are in use, how
/// many at most were in this generation, and whether there may be something to release. A scan goes
/// from a cursor down to the lowest chunk and reads one word a chunk; the bitmaps have the last
/// word.
///
///   bits  0-15  pages in use                    16-25  most pages in use in `generation`
///         26    may have pages to release       32-63  generation of the last change
///         (chunks of 64 pages: 16-22 and 23)
///
/// Background scavenging leaves dense chunks alone: those with 31/32 of their pages in use, now or
/// at any time of the present generation. Two cursors remember above which page nothing is to be
/// found. The forced one follows every page that is freed; the background one is raised once a
/// generation, to the highest page freed during it.
///
///   StartSearch (lock)  -->  Scan (no lock)  -->  EndSearch (lock)
///
/// Threads: everything but Scan() needs the heap's lock. Scan() works on a copy of the cursor and
/// reads the words as atomics; EndSearch() lowers the cursor only if no later search began in
/// between, and never below what was freed in between. So the cursors need no atomics and no
/// marks, and a search that found its pages in its own chunk leaves nothing to be scanned twice.
///
/// Go 1.26: scavengeIndex, scavChunkData. Differs: the peak of a generation is kept where Go keeps
/// the count at its first change; "none" is an empty range, not page or chunk 0; scans jump over
/// gaps of the heap, so only the words of chunks that joined the heap are ever read, and the blocks
/// that hold them were there when the search began.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "pagealloc/address_ranges.h"
#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

/// What a search may give back.
enum class ScavengeMode : std::uint8_t {
  kBackground,  ///< free before this generation began, and not in a dense chunk
  kForced,      ///< everything that is free
};

/// One search: where it began, and, after Scan(), what it found.
struct ScavengeSearch {
  ScavengeMode mode = ScavengeMode::kForced;
  ChunkIndex lowest;             ///< the scan ends here
  ChunkIndex chunk;              ///< where to begin; then the chunk found
  unsigned page = 0;             ///< highest page to look at, in `chunk`
  bool found = false;            ///< `chunk` may have pages to release
  std::uint32_t generation = 0;  ///< when the search began
  std::uint64_t ticket = 0;      ///< the cursor was raised so often before it began
  std::uint64_t examined = 0;    ///< chunks that Scan() looked at
};

/// The word of one chunk (Go: scavChunkData).
template <unsigned kChunkPageBits>
struct ScavengeEntry {
  static constexpr unsigned kPages = 1U << kChunkPageBits;
  static constexpr unsigned kPeakShift = 16;
  static constexpr unsigned kHasFreeShift = kPeakShift + kChunkPageBits + 1;
  static constexpr unsigned kGenerationShift = 32;
  static_assert(kHasFreeShift < kGenerationShift);
  /// Pages in use from which a chunk is dense (Go: scavChunkHiOccPages): 496 of 512, 62 of 64.
  static constexpr unsigned kDense = kPages - kPages / 32;

  static constexpr std::uint64_t kHasFree = std::uint64_t{1} << kHasFreeShift;

  // Parts of a word, where not all of them are asked for.
  static constexpr unsigned InUse(std::uint64_t word) {
    return static_cast<unsigned>(word & 0xffff);
  }
  static constexpr unsigned Peak(std::uint64_t word) {
    return static_cast<unsigned>(word >> kPeakShift & (2 * kPages - 1));
  }
  static constexpr std::uint32_t Generation(std::uint64_t word) {
    return static_cast<std::uint32_t>(word >> kGenerationShift);
  }

  unsigned in_use = 0;           ///< pages, 0 to kPages
  unsigned peak = 0;             ///< most pages in use in `generation` (Go: lastInUse)
  bool has_free = false;         ///< there may be something to release
  std::uint32_t generation = 0;  ///< of the last change

  /// @see Go: pack
  [[nodiscard]] constexpr std::uint64_t Pack() const {
    return std::uint64_t{in_use} | std::uint64_t{peak} << kPeakShift |
           std::uint64_t{has_free} << kHasFreeShift | std::uint64_t{generation} << kGenerationShift;
  }
  /// @see Go: unpackScavChunkData
  [[nodiscard]] static constexpr ScavengeEntry Unpack(std::uint64_t word) {
    return {InUse(word), Peak(word), (word & kHasFree) != 0, Generation(word)};
  }
  /// Whether a search of this mode should look into the chunk (Go: shouldScavenge).
  [[nodiscard]] constexpr bool Eligible(ScavengeMode mode, std::uint32_t now) const {
    if (!has_free) return false;
    if (mode == ScavengeMode::kForced) return true;
    return in_use < kDense && (generation != now || peak < kDense);
  }
  friend constexpr bool operator==(const ScavengeEntry&, const ScavengeEntry&) = default;
};

template <Layout L>
class ScavengeIndex {
  using G = Geometry<L>;
  using Chunks = ChunkMap<L>;
  using Block = typename Chunks::Block;

 public:
  using Entry = ScavengeEntry<G::kChunkPageBits>;

  ScavengeIndex() = default;
  ScavengeIndex(const ScavengeIndex&) = delete;
  ScavengeIndex& operator=(const ScavengeIndex&) = delete;

  /// Where the words are. Comes first, once; `chunks` must outlive the index. A word begins as
  /// zero: nothing in use, nothing to release.
  void Init(Chunks& chunks) { chunks_ = &chunks; }

  /// `count` pages of the chunk were allocated (Go: alloc). No more than were free (contract).
  void Allocated(ChunkIndex chunk, unsigned count) {
    Allocated(chunks_->BlockAt(chunk), Chunks::IndexInBlock(chunk), count);
  }
  /// The same for chunk i of a block.
  PA_HOT void Allocated(Block& block, std::size_t i, unsigned count) {
    const Word word(block.words[i].scavenge);
    const std::uint64_t before = word.load(kOrder);
    const unsigned in_use = Entry::InUse(before) + count;
    PA_EXPECT(in_use <= Entry::kPages, i, in_use);
    if (Entry::Generation(before) == generation_ && in_use < Entry::kPages) [[likely]] {
      const unsigned above = std::max(in_use, Entry::Peak(before)) - Entry::Peak(before);
      word.store(before + count + (std::uint64_t{above} << Entry::kPeakShift), kOrder);
      return;
    }
    word.store(FullOrNew(before, in_use), kOrder);
  }

  /// All pages of chunk i of a block were allocated: what was known of it makes no difference.
  PA_HOT void AllocatedAll(Block& block, std::size_t i) {
    const Word word(block.words[i].scavenge);
    PA_EXPECT(Entry::InUse(word.load(kOrder)) == 0, i, Entry::InUse(word.load(kOrder)));
    word.store(Entry{Entry::kPages, Entry::kPages, false, generation_}.Pack(), kOrder);
  }
  /// All of them were freed; FreedBelow() says where.
  PA_HOT void FreedAll(Block& block, std::size_t i) {
    const Word word(block.words[i].scavenge);
    PA_EXPECT(Entry::InUse(word.load(kOrder)) == Entry::kPages, i, Entry::InUse(word.load(kOrder)));
    word.store(Entry{0, Entry::kPages, true, generation_}.Pack(), kOrder);
  }

  /// `count` pages of the chunk were freed, all of them below `end` (Go: free). No more than were
  /// in use (contract).
  void Freed(ChunkIndex chunk, unsigned count, PageOffset end) {
    Freed(chunks_->BlockAt(chunk), Chunks::IndexInBlock(chunk), count);
    FreedBelow(end);
  }
  /// The same for chunk i of a block, but for where: FreedBelow() says it.
  PA_HOT void Freed(Block& block, std::size_t i, unsigned count) {
    const Word word(block.words[i].scavenge);
    std::uint64_t after = word.load(kOrder);
    PA_EXPECT(Entry::InUse(after) >= count, i, Entry::InUse(after), count);
    if (Entry::Generation(after) != generation_) [[unlikely]]
      after = InThisGeneration(after);
    word.store((after - count) | Entry::kHasFree, kOrder);
  }
  /// The pages freed lie below `end`.
  PA_HOT void FreedBelow(PageOffset end) {
    freed_end_ = std::max(freed_end_, end);
    recently_freed_end_ = std::max(recently_freed_end_, end);
  }

  /// Pages of the chunk, all below `end`, may be released again: the operating system refused them.
  void Returned(ChunkIndex chunk, PageOffset end) {
    Entry entry = Load(chunk);
    entry.has_free = true;
    Store(chunk, entry);
    FreedBelow(end);
  }

  /// Nothing in the whole chunk can be released (Go: setEmpty).
  void NothingToRelease(ChunkIndex chunk) {
    Entry entry = Load(chunk);
    entry.has_free = false;
    Store(chunk, entry);
  }

  /// A new generation: what was freed in the last one is now old enough (Go: nextGen).
  void NextGeneration() {
    ++generation_;
    background_.end = std::max(background_.end, freed_end_);
    ++background_.ticket;  // searches under way judged by the last generation
    freed_end_ = PageOffset{0};
  }

  /// Begins a search at the cursor; nullopt if nothing is below it. `heap`: what joined the heap.
  [[nodiscard]] std::optional<ScavengeSearch> StartSearch(ScavengeMode mode,
                                                          const AddressRanges& heap) {
    Cursor& cursor = CursorOf(mode);
    if (mode == ScavengeMode::kForced && recently_freed_end_ != PageOffset{0}) {
      cursor.end = std::max(cursor.end, recently_freed_end_);
      ++cursor.ticket;
      recently_freed_end_ = PageOffset{0};
    }
    if (cursor.end == PageOffset{0}) return std::nullopt;
    const PageOffset last{cursor.end.raw - 1};
    const std::size_t next = heap.Successor(last);
    PA_EXPECT(next > 0 && last < heap.ranges()[next - 1].end, last);
    ScavengeSearch search;
    search.mode = mode;
    search.lowest = G::ChunkOf(heap.ranges()[next - 1].begin);
    search.chunk = G::ChunkOf(last);
    search.page = G::PageInChunk(last);
    search.generation = generation_;
    search.ticket = cursor.ticket;
    return search;
  }

  /// Goes down to the first chunk that is worth looking at, as far as the heap has no gap (Go:
  /// find). Needs no lock: what it finds may be out of date, what it misses is found later.
  /// @cost 8 bytes read a chunk
  void Scan(ScavengeSearch& search) const {
    const ChunkIndex first = search.chunk;
    for (ChunkIndex at = first;;) {
      Block& block = chunks_->BlockAt(at);
      // Down to the lowest chunk, or to the block's first.
      const std::size_t last = Chunks::BlockOf(search.lowest) == Chunks::BlockOf(at)
                                   ? Chunks::IndexInBlock(search.lowest)
                                   : 0;
      for (std::size_t i = Chunks::IndexInBlock(at);; --i) {
        ++search.examined;
        if (Entry::Unpack(Word(block.words[i].scavenge).load(kOrder))
                .Eligible(search.mode, search.generation)) {
          if (at != first) search.page = Entry::kPages - 1;
          search.chunk = at;
          search.found = true;
          return;
        }
        if (at == search.lowest) return;
        at = ChunkIndex{at.raw - 1};
        if (i == last) break;
      }
    }
  }

  /// Ends a search: the cursor goes down to the chunk found if pages were `taken` there, below it
  /// if not, below all that was scanned if there was none; or stays where another search has
  /// brought it, if that is lower. It stays, too, if something was freed since the search began, or
  /// a generation ended: that may lie where the search has been already. So searches that find
  /// nothing come to an end, however many there are at once.
  void EndSearch(const ScavengeSearch& search, bool taken, const AddressRanges& heap) {
    Cursor& cursor = CursorOf(search.mode);
    if (search.ticket != cursor.ticket) return;
    const PageOffset end =
        search.found && taken
            ? G::ChunkBegin(search.chunk) + PageCount{search.page + 1}
            : HeapEndBelow(G::ChunkBegin(search.found ? search.chunk : search.lowest), heap);
    cursor.end = std::min(cursor.end, end);
  }

  /// The word of a chunk of the heap, taken apart.
  [[nodiscard]] Entry Load(ChunkIndex chunk) const {
    return Entry::Unpack(WordOf(chunk).load(kOrder));
  }
  [[nodiscard]] std::uint32_t generation() const { return generation_; }
  /// One past the highest page that a search of this mode would look at; page 0 if there is none
  /// (Go: searchAddrBg, searchAddrForce).
  [[nodiscard]] PageOffset cursor_end(ScavengeMode mode) const {
    if (mode == ScavengeMode::kBackground) return background_.end;
    return std::max(forced_.end, recently_freed_end_);
  }
  /// One past the highest page freed in this generation; page 0 if there is none (Go: freeHWM).
  [[nodiscard]] PageOffset freed_end() const { return freed_end_; }

 private:
  friend struct testing::AllocatorAccess;

  struct Cursor {
    PageOffset end;            // one past the highest page to look at
    std::uint64_t ticket = 0;  // how often it was raised
  };
  // The words publish nothing but themselves: whoever finds a chunk asks its bitmap under the lock.
  static constexpr std::memory_order kOrder = std::memory_order_relaxed;

  using Word = std::atomic_ref<std::uint64_t>;
  [[nodiscard]] Word WordOf(ChunkIndex chunk) const {
    return Word(chunks_->BlockAt(chunk).words[Chunks::IndexInBlock(chunk)].scavenge);
  }
  void Store(ChunkIndex chunk, const Entry& entry) { WordOf(chunk).store(entry.Pack(), kOrder); }
  [[nodiscard]] Cursor& CursorOf(ScavengeMode mode) {
    return mode == ScavengeMode::kForced ? forced_ : background_;
  }
  /// The word of a chunk that is full now, or changes first in this generation.
  [[nodiscard]] PA_RARE std::uint64_t FullOrNew(std::uint64_t before, unsigned in_use) const {
    Entry entry = Entry::Unpack(InThisGeneration(before));
    entry.in_use = in_use;
    entry.peak = std::max(entry.peak, in_use);
    entry.has_free = entry.has_free && in_use < Entry::kPages;
    return entry.Pack();
  }
  [[nodiscard]] PA_RARE std::uint64_t InThisGeneration(std::uint64_t before) const {
    Entry entry = Entry::Unpack(before);
    NextGenerationOf(entry);
    return entry.Pack();
  }
  /// The first change in a generation starts its peak anew.
  void NextGenerationOf(Entry& entry) const {
    if (entry.generation == generation_) return;
    entry.generation = generation_;
    entry.peak = entry.in_use;
  }
  /// One past the highest page of the heap below `at`; page 0 if there is none.
  static PageOffset HeapEndBelow(PageOffset at, const AddressRanges& heap) {
    if (at == PageOffset{0}) return at;
    const std::size_t next = heap.Successor(PageOffset{at.raw - 1});
    return next == 0 ? PageOffset{0} : std::min(heap.ranges()[next - 1].end, at);
  }

  Chunks* chunks_ = nullptr;
  Cursor background_;
  Cursor forced_;                  // as far as searches know
  PageOffset recently_freed_end_;  // one past the highest page freed since a forced search began
  PageOffset freed_end_;           // one past the highest page freed in this generation
  std::uint32_t generation_ = 0;
};

}  // namespace pagealloc
