/// tsan_counters.cc: what ThreadSanitizer has no need to say of a fuzz target.
///
/// libFuzzer's counters of edges are plain bytes that all threads raise; a number lost means
/// nothing. clang 14 watches these accesses, too. The counters have no symbol of their own, so a
/// report names the one before them; the program's own variables all have theirs.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)

// It is asked before it is ready to be called.
// NOLINTNEXTLINE(*-reserved-identifier,*-identifier-naming): ThreadSanitizer asks for this name
extern "C" [[clang::disable_sanitizer_instrumentation]] const char* __tsan_default_suppressions();
// NOLINTNEXTLINE(*-reserved-identifier,*-identifier-naming)
extern "C" const char* __tsan_default_suppressions() { return "race:__TMC_END__\n"; }

#endif
#endif
