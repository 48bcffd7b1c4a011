#include "harness/run/cell.h"

#include "pagealloc/contract.h"

namespace pagealloc::bench {

std::string_view RowOpName(RowOp op) {
  switch (op) {
    case RowOp::kFind:
      return "find";
    case RowOp::kAllocateRange:
      return "allocRange";
    case RowOp::kAllocate:
      return "alloc";
    case RowOp::kFree:
      return "free";
    case RowOp::kGrow:
      return "grow";
    case RowOp::kCache:
      return "cache";
    case RowOp::kScavenge:
      return "scavenge";
    case RowOp::kAll:
      break;
  }
  return "all";
}

RowOp RowOpOf(OpKind kind) {
  switch (kind) {
    case OpKind::kFind:
      return RowOp::kFind;
    case OpKind::kAllocateRange:
      return RowOp::kAllocateRange;
    case OpKind::kAllocate:
      return RowOp::kAllocate;
    case OpKind::kFree:
    case OpKind::kFreeRange:
      return RowOp::kFree;
    case OpKind::kGrow:
      return RowOp::kGrow;
    case OpKind::kTakeCache:
    case OpKind::kReturnCache:
      return RowOp::kCache;
    case OpKind::kScavenge:
    case OpKind::kNextGeneration:
      break;
  }
  return RowOp::kScavenge;
}

}  // namespace pagealloc::bench
