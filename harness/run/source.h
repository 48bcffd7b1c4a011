/// source.h: what is replayed: a trace that was read, or a workload that can be made at any time.
///
///   LoadTrace(path) --> Source with its Program and Judgement, kept for all repetitions
///   LoadWorkload(request) --> the same; ReleaseProgram() once it is checked, since every
///   repetition
///                             makes its own in a process of its own
///
/// Errors (status_codes.h): bad usage or a bad trace is a UsageError that stands as it is printed,
/// a file that cannot be read a FileError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/report/run_report.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {

struct Source {
  std::optional<WorkloadRequest> workload;  ///< nullopt: a trace
  CellColumns columns;                      ///< but for suite, allocator and layout
  PageCount heap_pages;                     ///< extent of the heap above the heap base
  std::uint64_t measured_ops = 0;
  std::uint64_t kind_block = 0;    ///< Program::kind_block, which outlives a released program
  std::uint64_t unjudged_ops = 0;  ///< at the program's end: too much work for the model
  Program program;
  Judgement judgement;

  /// Name and parameters, for people: "churn occupancy=50;size=1-16", or the trace's name.
  [[nodiscard]] std::string Title() const;
  /// Gives the memory of program and judgement back. Traces keep theirs (contract: a workload).
  void ReleaseProgram();
};

/// Reads, parses and judges a trace.
absl::StatusOr<Source> LoadTrace(const std::string& path);

/// A program that was judged already, as a trace.
Source SourceOf(Program program, Judgement judgement);

/// Makes and judges a workload. EnvironmentError: the machine has too little memory for it.
absl::StatusOr<Source> LoadWorkload(const WorkloadRequest& request);

/// Whether a program may run on a layout, which must exist (contract).
///
/// @return  why not, as it is printed; nullopt if it may.
std::optional<std::string> Misfit(const Source& source, std::string_view layout);

/// Whether a program means the same wherever its runs lie, as it must with page caches.
///
/// @return  the first record that names pages after something was placed, as it is printed;
///          nullopt if there is none.
std::optional<std::string> MisfitForCaches(const Source& source);

/// How many page caches the processors of a program need: at least 1.
unsigned CachesFor(const Program& program);

/// The programs of a workload's threads but the first, each from a seed of its own.
OrProblem<std::vector<Program>> ProgramsOfOtherThreads(const WorkloadRequest& request,
                                                       unsigned threads);

/// Extent of the heap for caches, which need more than the judge saw: twice of it, or all of the
/// layout, where the heap grows on demand.
PageCount HeapForCaches(const Source& source, std::string_view layout);

}  // namespace pagealloc::bench
