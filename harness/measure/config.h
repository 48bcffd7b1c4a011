/// config.h: what the environment file says about a run: what was used, not what was typed.
#pragma once

#include "harness/measure/cells.h"
#include "harness/measure/options.h"
#include "harness/report/environment.h"

namespace pagealloc::bench {

/// Puts in what is known once everything is loaded: repetitions, the CPU, heap and operations of
/// the workloads, how processes are made, and what the model leaves unchecked.
void AddLoadedConfig(const MeasureOptions& options, const Cells& cells, KeyValues& config);

/// Puts in what only warm-ups find out: how many operations were timed together.
void AddMeasuredConfig(const MeasureOptions& options, const Cells& cells, KeyValues& config);

}  // namespace pagealloc::bench
