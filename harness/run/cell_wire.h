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
#include "harness/trace/workload.h"

namespace pagealloc::bench {

/// What a re-executed child needs to know.
struct WorkloadCell {
  WorkloadRequest workload;
  CellOptions options;
};

std::string EncodeWorkloadCell(const WorkloadCell& cell);
absl::StatusOr<WorkloadCell> DecodeWorkloadCell(std::string_view text);

std::string EncodeTimed(const TimedResult& result);
absl::StatusOr<TimedResult> DecodeTimed(std::string_view text);

std::string EncodeChecked(const CheckedResult& result);
absl::StatusOr<CheckedResult> DecodeChecked(std::string_view text);

/// @param error  not OK (contract).
std::string EncodeError(const absl::Status& error);

}  // namespace pagealloc::bench
