/// watched.h: checks allocators that map their own memory: no page has two holders, nobody writes
/// to memory of another, and every run begins at a page.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "harness/run/heap_state.h"
#include "harness/run/live_runs.h"
#include "harness/run/result_check.h"
#include "harness/run/runner.h"
#include "harness/run/subject.h"
#include "harness/trace/program.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// A thread's view of an allocator that keeps the books: which runs are held, and whose mark is in
/// their memory.
template <class S>
class Watched : public S {
 public:
  /// @param owner      not 0, another for each thread.
  /// @param arguments  for the subject.
  template <class... Arguments>
  Watched(LiveRuns& live, std::uint64_t owner, Arguments&&... arguments)
      : S(std::forward<Arguments>(arguments)...), live_(live), owner_(owner) {}

  std::optional<Allocation> Allocate(PageCount want, unsigned processor) {
    const std::optional<Allocation> got = S::Allocate(want, processor);
    if (!got) return got;
    if constexpr (requires(const S& subject) { subject.aligned(); }) {
      if (!this->aligned()) defect_ = "memory that does not begin at a page";
    }
    if (!live_.Add(PageRange::Of(got->first, want))) {
      defect_ = "a page that is held already";
    } else {
      std::memcpy(this->HostOf(got->first), &owner_, sizeof(owner_));
    }
    return got;
  }
  std::optional<Allocation> Allocate(PageCount want) { return Allocate(want, 0); }
  void Free(PageRange pages) {
    std::uint64_t mark = 0;
    std::memcpy(&mark, this->HostOf(pages.begin), sizeof(mark));
    if (mark != owner_) defect_ = "memory that someone else wrote to";
    live_.Remove(pages);
    S::Free(pages);
  }
  /// What was wrong with the last operation; null: nothing.
  [[nodiscard]] const char* defect() const { return defect_; }

 private:
  LiveRuns& live_;
  const std::uint64_t owner_;
  const char* defect_ = nullptr;
};

/// How a program fared.
struct WatchedEnd {
  OsStatus failure;
  std::optional<Mismatch> mismatch;
  std::vector<Outcome> outcomes;  ///< one for each operation, if all went well
};

/// Executes a program, up to the first defect or refusal.
///
/// @param who  for messages, behind what was wrong.
template <Layout L, class S>
WatchedEnd RunWatched(Watched<S>& subject, const Program& program, const std::string& who) {
  HeapState runs(program.id_count);
  Runner<L, Watched<S>> runner(subject, program, runs, nullptr, false, 0);
  WatchedEnd end;
  end.outcomes.reserve(program.ops.size());
  runner.set_outcomes(&end.outcomes);
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    if (!runner.CheckPlaces(i, i + 1, nullptr, end.mismatch)) {
      end.failure = runner.failure();
      return end;
    }
    if (subject.defect() != nullptr) {
      end.mismatch = Mismatch{i, "pages that only this thread holds",
                              absl::StrCat(std::string(subject.defect()), who)};
      return end;
    }
    if (!subject.refusal().ok()) {
      end.failure = subject.refusal();
      return end;
    }
  }
  return end;
}

}  // namespace pagealloc::bench
