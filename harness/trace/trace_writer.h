/// trace_writer.h: a Program as pagetrace text, version 1; the reader's inverse.
///
/// Ids are written as their dense numbers. ParseTrace(name, WriteTrace(p)) gives p again (but for
/// line numbers and `text`) if p numbers its ids in
/// order of first appearance; else the same operations under other numbers. Standard library only.
#pragma once

#include <string>

#include "harness/trace/op.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

/// Adds one record, with its LF. kFind has no trace form (contract).
void AppendRecord(const Op& op, std::string& out);

/// The record of `op` without LF, for messages: kFind, which no trace holds, as "find N".
[[nodiscard]] std::string DescribeOp(const Op& op);

/// Adds `pagetrace 1` and the `meta` records. `growth explicit` is written only where no `g` record
/// says it, `measured-from N` where there is a set-up. For a trace that is written record by
/// record, before its operations are known. Contract: keys and values are fields of one line, as
/// harness/trace/README.md has them.
void AppendHeader(const Program& program, std::string& out);

/// The whole trace. Contract: no kFind; ask program.FirstOf({OpKind::kFind}) first.
[[nodiscard]] std::string WriteTrace(const Program& program);

}  // namespace pagealloc::bench
