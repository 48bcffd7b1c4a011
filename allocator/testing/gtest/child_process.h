/// child_process.h: a part of a test in a child of this process, which must end by itself.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pagealloc::testing {

#if defined(__SANITIZE_THREAD__)
#define PAGEALLOC_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PAGEALLOC_THREAD_SANITIZER 1
#endif
#endif
#ifndef PAGEALLOC_THREAD_SANITIZER
#define PAGEALLOC_THREAD_SANITIZER 0
#endif

/// ThreadSanitizer ends a child that starts threads if its parent had several.
inline constexpr bool kChildrenMayStartThreads = PAGEALLOC_THREAD_SANITIZER == 0;

/// Forks; the child runs `body` and ends with its result, or by SIGALRM if it hangs.
template <class Body>
int StatusOfChild(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::_exit(body());
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

}  // namespace pagealloc::testing
