/// cell_wire.h: cells and their results as text, for the pipe between parent and child.
///
/// Decode(Encode(x)) == x. A text that Encode cannot have written is an Internal error that says
/// what is wrong with it; a text that EncodeError wrote comes back as the status that it holds,
/// from every Decode function.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/run/cell.h"
#include "harness/trace/program.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {

/// What a re-executed child needs to know.
struct WorkloadCell {
  WorkloadRequest workload;
  CellOptions options;
};

std::string EncodeWorkloadCell(const WorkloadCell& cell);
absl::StatusOr<WorkloadCell> DecodeWorkloadCell(std::string_view text);

/// A cell with its program: a wire text's length in ten digits, the text, the operations as they
/// lie in memory. For a child whose every instruction is slow: it need not parse or make the
/// program.
struct ProgramCell {
  CellOptions options;
  Program program;  ///< what executing needs: no name, notes or text
};

std::string EncodeProgramCell(const CellOptions& options, const Program& program);
absl::StatusOr<ProgramCell> DecodeProgramCell(std::string_view bytes);

std::string EncodeTimed(const TimedResult& result);
absl::StatusOr<TimedResult> DecodeTimed(std::string_view text);

std::string EncodeChecked(const CheckedResult& result);
absl::StatusOr<CheckedResult> DecodeChecked(std::string_view text);

/// @param error  not OK (contract).
std::string EncodeError(const absl::Status& error);

}  // namespace pagealloc::bench
