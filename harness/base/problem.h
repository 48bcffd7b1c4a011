/// problem.h: why a user cannot have what he asked for, where there is no line of a file to name.
#pragma once

#include <string>

#include "harness/base/result.h"

namespace pagealloc::bench {

/// One or two sentences: what is wrong and what to do. Printed as it stands.
struct Problem {
  std::string sentence;
};

template <class T>
using OrProblem = Result<T, Problem>;

}  // namespace pagealloc::bench
