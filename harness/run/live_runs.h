/// live_runs.h: the runs that the threads of a check hold, so that a page given twice is seen.
///
/// A thread enters a run after it got it and takes it out before it frees it. So, if two entries
/// ever overlap, the allocator gave a page to two holders. Any number of threads.
#pragma once

#include <map>
#include <mutex>

#include "pagealloc/units.h"

namespace pagealloc::bench {

class LiveRuns {
 public:
  /// Enters a run, not empty (contract). False: a page of it is held already; nothing changed.
  [[nodiscard]] bool Add(PageRange run);
  /// Takes out a run that was entered (contract).
  void Remove(PageRange run);
  /// Pages of all runs.
  [[nodiscard]] PageCount pages() const;

 private:
  mutable std::mutex lock_;
  std::map<PageOffset, PageOffset> end_of_;  ///< by first page
  PageCount pages_;
};

}  // namespace pagealloc::bench
