#include "harness/run/heap_state.h"

#include <algorithm>

namespace pagealloc::bench {

// Value-initialising the elements also touches their memory, so that no page fault is left to the
// timed loop. One at least: operations without an ID have 0, whose line is asked for, too.
HeapState::HeapState(std::uint32_t ids) : runs_(std::max<std::uint32_t>(ids, 1)) {}

void HeapState::Clear() { std::fill(runs_.begin(), runs_.end(), PageRange{}); }

}  // namespace pagealloc::bench
