/// on_crash.h: says what ran when the process is stopped by a signal or by a sanitizer.
///
/// Reporters run in the order in which they came, then whatever handler was there before (libFuzzer
/// writes its artifact there). A reporter may build strings: what crashes here is the allocator
/// under test, on this thread, never malloc.
#pragma once

namespace pagealloc::fuzz {

/// Calls `reporter` before an abort, a segmentation fault and other synchronous signals end the
/// process. At most four reporters, each is kept for ever.
void OnCrash(void (*reporter)());

/// Calls the reporters when a sanitizer ends the process, too. Not where libFuzzer is linked, which
/// has taken the one place for that.
void OnSanitizerDeath();

}  // namespace pagealloc::fuzz
