#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/with_layout.h"
#include "pagealloc/page_allocator.h"

namespace pagealloc::bench {

void CheckRadix(const CellOptions& options, const Program& program, const Judgement& judgement,
                bool verify, absl::StatusOr<CheckedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result =
        ExecuteCheckedOn<L, PageAllocator<L, WorkCounters>>(options, program, judgement, verify);
  });
}

void TimeRadix(const CellOptions& options, const Program& program,
               absl::StatusOr<TimedResult>& result) {
  WithLayout(options.layout,
             [&]<Layout L>() { result = ExecuteTimedOn<L, PageAllocator<L>>(options, program); });
}

}  // namespace pagealloc::bench
