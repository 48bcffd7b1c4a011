// execute_peers.cc: allocators of others and small ones of ours, to measure against. They have no
// layout; the numbers of linux-amd64 serve where a page needs one.
#include <memory>

#include "harness/peers/best_fit_map.h"
#include "harness/peers/buddy.h"
#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/occupancy.h"
#include "harness/run/peer_subject.h"
#include "harness/run/system_subject.h"
#include "harness/run/watched.h"

namespace pagealloc::bench {
namespace {

using L = LinuxAmd64;

/// Calls visit.operator()<S>() for the subject type of an allocator of harness/peers.
template <class Visitor>
void WithPeer(std::string_view name, Visitor visit) {
  if (name == "buddy") visit.template operator()<PeerSubject<L, peers::Buddy>>();
  if (name == "best-fit-map") visit.template operator()<PeerSubject<L, peers::BestFitMap>>();
}

/// The same for an allocator that maps its own memory.
template <class Visitor>
void WithSystem(std::string_view name, Visitor visit) {
  if (name == "mmap") return visit.template operator()<SystemSubject<KernelCalls>>();
  if (!MallocPackage(name).empty()) visit.template operator()<SystemSubject<LibraryCalls>>();
}

template <class S>
absl::StatusOr<CheckedResult> CheckWatched(const CellOptions& options, const Program& program) {
  LiveRuns live;
  const auto subject = std::make_unique<Watched<S>>(live, 1);
  subject->set_allocator(options.allocator);
  WatchedEnd end = RunWatched<L, S>(*subject, program, "");
  if (!end.failure.ok()) return RefusedMemory(options, end.failure);
  CheckedResult result;
  result.mismatch = end.mismatch;
  if (!end.mismatch) {
    result.occupancy = OccupancyOf(program, end.outcomes, Geometry<L>::kHeapBasePage);
  }
  return result;
}

}  // namespace

void CheckPeer(const CellOptions& options, const Program& program, const Judgement& judgement,
               bool verify, absl::StatusOr<CheckedResult>& result) {
  WithPeer(options.allocator, [&]<class S>() {
    result = ExecuteCheckedOn<L, S>(options, program, judgement, verify);
  });
}

void TimePeer(const CellOptions& options, const Program& program,
              absl::StatusOr<TimedResult>& result) {
  WithPeer(options.allocator, [&]<class S>() { result = ExecuteTimedOn<L, S>(options, program); });
}

void CheckSystem(const CellOptions& options, const Program& program,
                 absl::StatusOr<CheckedResult>& result) {
  WithSystem(options.allocator, [&]<class S>() { result = CheckWatched<S>(options, program); });
}

void TimeSystem(const CellOptions& options, const Program& program,
                absl::StatusOr<TimedResult>& result) {
  WithSystem(options.allocator,
             [&]<class S>() { result = ExecuteTimedOn<L, S>(options, program); });
}

}  // namespace pagealloc::bench
