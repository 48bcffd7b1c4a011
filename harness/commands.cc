#include "harness/commands.h"

#include <variant>

#include "harness/console.h"
#include "harness/measure.h"

namespace pagealloc::bench {
namespace {

struct Executor {
  absl::Status operator()(const PrintText& text) const { return WriteResult(text.text); }
  absl::Status operator()(const MeasureOptions& options) const { return Measure(options); }
  absl::Status operator()(const ListOptions& options) const { return List(options); }
  absl::Status operator()(const TraceOptions& options) const { return ExamineTraces(options); }
  absl::Status operator()(const MapOptions& options) const { return DrawMap(options); }
};

}  // namespace

absl::Status Execute(const Command& command) { return std::visit(Executor{}, command); }

}  // namespace pagealloc::bench
