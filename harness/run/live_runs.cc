#include "harness/run/live_runs.h"

#include <iterator>

#include "pagealloc/contract.h"

namespace pagealloc::bench {

bool LiveRuns::Add(PageRange run) {
  PA_EXPECT(!run.empty(), run.begin, run.end);
  const std::lock_guard hold(lock_);
  const auto above = end_of_.lower_bound(run.begin);
  if (above != end_of_.end() && above->first < run.end) return false;
  if (above != end_of_.begin() && std::prev(above)->second > run.begin) return false;
  end_of_.emplace_hint(above, run.begin, run.end);
  pages_ += run.size();
  return true;
}

void LiveRuns::Remove(PageRange run) {
  const std::lock_guard hold(lock_);
  const auto entry = end_of_.find(run.begin);
  PA_EXPECT(entry != end_of_.end() && entry->second == run.end, run.begin, run.end);
  end_of_.erase(entry);
  pages_ -= run.size();
}

PageCount LiveRuns::pages() const {
  const std::lock_guard hold(lock_);
  return pages_;
}

}  // namespace pagealloc::bench
