/// run_program.h: one layout's part of a target that runs programs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "fuzz/arena.h"
#include "fuzz/decode_ops.h"
#include "fuzz/finding.h"
#include "fuzz/page_alloc_program.h"

namespace pagealloc::fuzz {

/// Runs a program on a layout; a finding ends the process. Returns how many operations it had.
///
/// @param target  its name, for the report
/// @param input   the bytes that the program was decoded from
template <Layout L, class Tampering = NoTampering>
std::uint64_t RunProgram(std::string_view target, std::span<const std::uint8_t> input,
                         const FuzzProgram& program, const Arena& arena, Limits limits = {}) {
  ProgramMemory<L> memory;
  TraceRecorder trace(L::kName, Geometry<L>::kChunkPages, arena.begin);
  const CrashReporter crash(target, input, trace);
  ProgramRun<L, Tampering> run(memory.os, arena, trace, limits);
  const std::optional<Finding> finding = run.Run(program);
  if (finding) Stop(Report(target, input, trace, *finding));
  return trace.size();
}

}  // namespace pagealloc::fuzz
