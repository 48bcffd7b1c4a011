/// report_maps.h: the heap maps of a report: programs of its rows, made again or read again.
///
/// A workload is made from its name, parameters, heap, operations and seed; a trace is read from
/// where the environment file says that it was, if it is still there. The rows' stream_hash says
/// whether it is the same program. What cannot be drawn is told in a sentence each.
#pragma once

#include "harness/page/page.h"

namespace pagealloc::bench {

/// Fills input.maps and input.map_notes from its files and comparisons: the program of the worst
/// row first, then the others as they come; at most four, and a fifth of a page's bytes or little
/// more.
///
/// @cost  about a second for each map; programs of over 2 million operations are left out.
void AddMaps(PageInput& input);

}  // namespace pagealloc::bench
