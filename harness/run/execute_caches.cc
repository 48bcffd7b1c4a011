#include "harness/run/caching_allocator.h"
#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/with_layout.h"
#include "pagealloc/work_counters.h"

namespace pagealloc::bench {

void CheckCaches(const CellOptions& options, const Program& program, const Judgement& judgement,
                 bool verify, absl::StatusOr<CheckedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result =
        ExecuteCheckedOn<L, CachingAllocator<L, WorkCounters>>(options, program, judgement, verify);
  });
}

void TimeCaches(const CellOptions& options, const Program& program,
                absl::StatusOr<TimedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result = ExecuteTimedOn<L, CachingAllocator<L>>(options, program);
  });
}

}  // namespace pagealloc::bench
