/// trace_csv.h: a trace as CSV, for spreadsheets, data frames and other tools; and back.
///
/// One row a record, in order; a cell for each field, empty where a record has none of that name.
/// Nothing is lost: IDs, masks and notes stand as they stood, and comments have rows of their own.
/// The header stands for the version record, so that row and record have the same line number.
///
///   kind,id,offset,pages,cpu,mask,scavenged,mode,expect,expect_mask,key,value
///   meta,,,,,,,,,,source,an example
///   alloc,buffer,,3,0,,,,12,,,             a buffer 3 @0 = 12
///   return_cache,,64,,,0xff,0x1,,,,,       k 64 0xff 0x1
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace pagealloc::bench {

/// @param trace  the text of a trace that a ParseTrace() accepts (contract).
std::string TraceToCsv(std::string_view trace);

/// @param name  of the file, for messages.
/// @return      the text of a trace, of which ParseTrace() and Judge() say whether it is one; a
///              UsageError at FILE:LINE for cells that cannot stand in one.
absl::StatusOr<std::string> CsvToTrace(const std::string& name, std::string_view csv);

}  // namespace pagealloc::bench
