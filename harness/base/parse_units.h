/// parse_units.h: numbers, sizes and durations as users write them: `200000`, `64MiB`, `500ms`.
///
/// No signs, no spaces, no digits grouped. A result that does not fit 64 bits is an error, as is a
/// unit of the wrong kind. Errors quote the text and name the forms that are accepted.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/problem.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// Decimal digits only.
OrProblem<std::uint64_t> ParseNumber(std::string_view text);

/// A size in bytes: a whole number and one of B, KiB, MiB, GiB, TiB (1024) or kB, KB, MB, GB, TB
/// (1000). A number without a unit is bytes. Case matters nowhere but does no harm: `64mib` is
/// fine. A fraction is accepted if it comes to whole bytes: `1.5GiB`.
OrProblem<ByteCount> ParseSize(std::string_view text);

/// A duration: a number and one of ns, us, ms, s, m or min, h; the unit must be there, except for
/// 0. A fraction is accepted if it comes to whole nanoseconds: `1.5s`.
OrProblem<std::chrono::nanoseconds> ParseDuration(std::string_view text);

/// The shortest exact text that ParseSize reads back: 67108864 is `64MiB`, 1000 is `1000B`.
std::string SizeText(ByteCount bytes);

}  // namespace pagealloc::bench
