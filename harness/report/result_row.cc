#include "harness/report/result_row.h"

namespace pagealloc::bench {

std::string_view StatusName(RowStatus status) {
  switch (status) {
    case RowStatus::kOk:
      return "ok";
    case RowStatus::kNoisy:
      return "noisy";
    case RowStatus::kTruncated:
      return "truncated";
    case RowStatus::kSkipped:
      break;
  }
  return "skipped";
}

}  // namespace pagealloc::bench
