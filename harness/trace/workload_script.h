/// workload_script.h: what the generators of workloads share: writing operations, and the heap they
/// make, page by page, so that no illegal operation can be written.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "harness/trace/first_fit.h"
#include "harness/trace/program.h"
#include "harness/trace/random.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// Sizes of allocations: uniform from low to high pages.
struct Sizes {
  std::uint64_t low = 1;
  std::uint64_t high = 1;

  [[nodiscard]] PageCount Draw(Random& random) const {
    return PageCount{random.Between(low, high)};
  }
  [[nodiscard]] std::uint64_t mean() const { return (low + high) / 2; }
};

/// Something allocated.
struct Object {
  static constexpr std::uint32_t kNoId = std::numeric_limits<std::uint32_t>::max();

  PageOffset first;  ///< counted from the heap's first page
  PageCount pages;
  std::uint32_t id = kNoId;  ///< kNoId: came by AllocateRange, is freed by range

  [[nodiscard]] PageRange range() const { return PageRange::Of(first, pages); }
};

/// Writes a program operation by operation, following on a first-fit heap what each of them does.
class WorkloadScript {
 public:
  /// One heap of `pages` from offset 0, grown by the first operation.
  WorkloadScript(PageCount pages, std::uint64_t measured_ops);

  /// Ends the set-up. From here on operations count.
  void StartMeasuring();
  /// All measured operations are written: no more may follow (contract).
  [[nodiscard]] bool done() const { return measuring_ && program_.ops.size() == end_; }
  [[nodiscard]] std::uint64_t measured_ops() const { return measured_ops_; }
  /// Operations so far.
  [[nodiscard]] std::uint64_t size() const { return program_.ops.size(); }

  /// Writes an allocation, and says what it gives: nullopt if nothing fits. Ids of freed objects
  /// and of failed allocations are used again.
  std::optional<Object> Allocate(PageCount n);
  void Free(const Object& object);
  void AllocateRange(PageRange range);
  void FreeRange(PageRange range);
  void Find(PageCount n);
  /// Takes a page cache; nullopt, and nothing written, where nothing is free.
  std::optional<FirstFit::Block> TakeCache();
  /// Brings one back, its pages used since.
  void ReturnCache(const FirstFit::Block& block);
  /// Changes no placement.
  void Scavenge(PageCount n, bool background);
  void NextGeneration();
  /// Undoes the growth that every script begins with. Comes first (contract).
  void BeginWithoutHeap();
  /// Adds a range that is not in the heap (contract).
  void Grow(PageRange range);

  [[nodiscard]] const FirstFit& heap() const { return heap_; }
  [[nodiscard]] PageCount pages() const { return heap_.pages(); }
  [[nodiscard]] PageCount in_use() const { return heap_.in_use(); }
  /// `percent` of the heap's pages, rounded down.
  [[nodiscard]] PageCount Share(std::uint64_t percent) const {
    return PageCount{heap_.pages().raw * percent / 100};
  }

  Program& program() { return program_; }

 private:
  void Write(const Op& op);

  FirstFit heap_;
  std::uint64_t measured_ops_;
  bool measuring_ = false;
  std::size_t end_ = 0;  // size of the program once all is written
  std::vector<std::uint32_t> unused_ids_;
  Program program_;
};

/// Live objects of which any may be freed.
///
/// Up to kMaxIdObjects of them are allocated one by one when the heap is filled. A heap that holds
/// more is filled by one AllocateRange record instead, cut into objects in thought: these are freed
/// by range. Where more than kMaxHoles of them would have to be freed to come down to the
/// occupancy, neighbours are freed together. So set-up has about 2^22 operations at most, at any
/// heap size.
class Population {
 public:
  static constexpr std::uint64_t kMaxIdObjects = std::uint64_t{1} << 21;
  static constexpr std::uint64_t kMaxHoles = std::uint64_t{1} << 20;

  Population(WorkloadScript& script, Random& random) : script_(script), random_(random) {}

  /// Fills the empty heap with objects, then frees random ones down to at most `target` pages: the
  /// holes are spread over the whole heap, as after a long life.
  void FillTo(PageCount target, Sizes sizes);
  /// Writes an allocation; a success joins the population. False: nothing fits.
  bool Allocate(PageCount n);
  /// Frees one, each with the same probability. There must be one (contract).
  void FreeRandom();
  [[nodiscard]] bool empty() const { return objects_.empty() && range_objects_ == 0; }

 private:
  void CutIntoObjects(Sizes sizes);
  [[nodiscard]] PageOffset RandomRangeObject();
  [[nodiscard]] PageOffset EndOfRangeObject(PageOffset first) const;
  void FreeNeighbours(std::uint64_t count);

  WorkloadScript& script_;
  Random& random_;
  std::vector<Object> objects_;  // with ids
  // Objects without ids: bit p says that one begins at page p and lives; all of `ends_` say that
  // one began there at the start, so that the end of each stays known.
  std::vector<bool> live_begins_;
  std::vector<bool> begins_;
  std::uint64_t range_objects_ = 0;
};

/// Takes the whole heap and punches holes until `occupancy` percent is left: half of them of one
/// page, a quarter of 2-3, an eighth of 4-7 and so on to 1024-2047, at random distances; and a last
/// hole of a quarter of the free pages, at most 4096, at the heap's end. Where that would be more
/// than 2^18 holes, the smallest classes are left out. Returns the holes in address order.
std::vector<PageRange> MakeFragmentedHeap(WorkloadScript& script, std::uint64_t occupancy,
                                          Random& random);

}  // namespace pagealloc::bench
