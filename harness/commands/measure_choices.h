/// measure_choices.h: the words that flags of `run` and `replay` take, for those who check them and
/// those who offer them.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "harness/commands/resolver.h"
#include "harness/measure/options.h"

namespace pagealloc::bench {

inline constexpr std::array<Choice<HeapMemory>, 4> kMemory{{{"simulate", HeapMemory::kSimulate},
                                                            {"reserve", HeapMemory::kReserve},
                                                            {"commit", HeapMemory::kCommit},
                                                            {"touch", HeapMemory::kTouch}}};
inline constexpr std::array<Choice<bool>, 2> kCache{{{"none", false}, {"per-cpu", true}}};
inline constexpr std::array<Choice<bool>, 2> kPlace{{{"auto", false}, {"exact", true}}};
inline constexpr std::array<Choice<Isolation>, 2> kIsolate{
    {{"process", Isolation::kProcess}, {"none", Isolation::kNone}}};
inline constexpr std::array<Choice<Interleave>, 3> kInterleave{
    {{"abba", Interleave::kAbba}, {"random", Interleave::kRandom}, {"none", Interleave::kNone}}};
// Batches, then operations.
inline constexpr std::array<Choice<std::pair<bool, bool>>, 4> kTiming{{{"batch", {true, false}},
                                                                       {"op", {false, true}},
                                                                       {"both", {true, true}},
                                                                       {"none", {false, false}}}};
inline constexpr std::array<Choice<Arrival>, 2> kArrival{
    {{"fixed", Arrival::kFixed}, {"poisson", Arrival::kPoisson}}};
inline constexpr std::array<Choice<HugePageMode>, 3> kThp{{{"inherit", HugePageMode::kInherit},
                                                           {"never", HugePageMode::kNever},
                                                           {"always", HugePageMode::kAlways}}};
inline constexpr std::array<Choice<Format>, 4> kFormat{{{"table", Format::kTable},
                                                        {"csv", Format::kCsv},
                                                        {"json", Format::kJson},
                                                        {"markdown", Format::kMarkdown}}};
inline constexpr std::array<Choice<ProgressMode>, 4> kProgress{{{"auto", ProgressMode::kAuto},
                                                                {"always", ProgressMode::kAlways},
                                                                {"never", ProgressMode::kNever},
                                                                {"plain", ProgressMode::kPlain}}};
enum class Color : std::uint8_t { kAuto, kAlways, kNever };
inline constexpr std::array<Choice<Color>, 3> kColor{
    {{"auto", Color::kAuto}, {"always", Color::kAlways}, {"never", Color::kNever}}};

}  // namespace pagealloc::bench
