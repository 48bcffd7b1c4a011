#include "harness/measure/counting.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "harness/report/environment.h"
#include "harness/run/callgrind.h"
#include "harness/run/counted_cell.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {

absl::StatusOr<InstructionCounter> InstructionCounter::Open() {
  const std::string build = ThisBuild().build_type;
  if (build.find("+address") != std::string::npos || build.find("+thread") != std::string::npos) {
    return EnvironmentError(absl::StrCat("cannot count instructions: valgrind cannot execute a ",
                                         build, " build. Use the preset release."));
  }
  InstructionCounter counter;
  absl::StatusOr<std::string> valgrind = FindValgrind();
  if (!valgrind.ok()) return valgrind.status();
  counter.valgrind_ = *std::move(valgrind);
  const absl::StatusOr<std::string> version = ValgrindVersion(counter.valgrind_);
  if (!version.ok()) return version.status();
  const absl::StatusOr<std::string> processor = CountedPath(counter.valgrind_);
  if (!processor.ok()) return processor.status();
  counter.path_ = absl::StrCat(*version, ", ", *processor);
  return counter;
}

absl::StatusOr<std::vector<ResultRow>> InstructionCounter::Count(const Cell& cell,
                                                                 const Source& source,
                                                                 std::uint64_t seq,
                                                                 std::string& line) const {
  const absl::StatusOr<CountedResult> counted = RunCounted(valgrind_, cell.options, source.program);
  if (!counted.ok()) return counted.status();
  if (counted->result_hash != cell.checked.result_hash) {
    return DiffersError("it placed pages otherwise than in the check");
  }
  const RepetitionPlace place{0, seq};
  std::vector<ResultRow> rows = CheckedRows(cell.columns, place, cell.checked, source.measured_ops);
  if (source.measured_ops == 0) return rows;
  const auto ops = static_cast<double>(source.measured_ops);
  const auto add = [&](const char* metric, std::uint64_t count) {
    ResultRow row =
        MakeRow(cell.columns, RowOpName(RowOp::kAll), metric, static_cast<double>(count) / ops);
    row.rep = place.rep;
    row.seq = place.seq;
    row.n = source.measured_ops;
    row.result_hash = HashText(counted->result_hash);
    rows.push_back(std::move(row));
  };
  const Counts& counts = counted->operations;
  add("instructions", counts.instructions);
  add("branches_missed", counts.branches_missed);
  absl::StrAppendFormat(&line,
                        "%.2f instructions/op, and %.2f of the loop that are not in it; "
                        "%.3f branches missed/op",
                        static_cast<double>(counts.instructions) / ops,
                        static_cast<double>(counted->loop.instructions) / ops,
                        static_cast<double>(counts.branches_missed) / ops);
  return rows;
}

}  // namespace pagealloc::bench
