/// hot.h: which functions must not become calls.
///
/// Compilers inline small functions until the one that calls them, or the whole file, has grown by
/// some share, and turn the rest into calls, `a - b` of two page counts among them. Which ones is
/// chance, and costs an operation up to half of its time. PA_HOT takes the choice away, for what
/// every allocation and every free goes through; a rare case inside belongs into a function of its
/// own, marked PA_RARE.
///
/// Checked builds (contract.h), and those that are not optimised, are for finding mistakes: there
/// the choice stays with the compiler, which needs two thirds of the time so.
#pragma once

#if (defined(PAGEALLOC_CHECKED) && PAGEALLOC_CHECKED) || !defined(__OPTIMIZE__)
#define PA_HOT inline
#else
#define PA_HOT [[gnu::always_inline]] inline
#endif
#define PA_RARE [[gnu::noinline, gnu::cold]]
