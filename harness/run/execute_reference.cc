#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/reference_allocator.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {

void CheckReference(const CellOptions& options, const Program& program, const Judgement& judgement,
                    bool verify, absl::StatusOr<CheckedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result = ExecuteCheckedOn<L, ReferenceAllocator<L>>(options, program, judgement, verify);
  });
}

void TimeReference(const CellOptions& options, const Program& program,
                   absl::StatusOr<TimedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result = ExecuteTimedOn<L, ReferenceAllocator<L>>(options, program);
  });
}

}  // namespace pagealloc::bench
