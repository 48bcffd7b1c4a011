/// malloc_library.h: mallocs of others, loaded while the program runs, so that building it needs
/// none of them.
///
/// Each brings its own aligned_alloc and free; loaded this way, they serve who calls them here and
/// nobody else: this program's own memory stays with the C library.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagealloc::bench {

struct MallocCalls {
  void* (*allocate)(std::size_t alignment, std::size_t size) = nullptr;
  void (*free)(void* memory) = nullptr;
};

/// The Debian package of a library, by the allocator's name; empty: there is no such library.
std::string_view MallocPackage(std::string_view allocator);

/// Why a library (of those above; contract) cannot be loaded, and what to do; nullopt if it can.
std::optional<std::string> WhyNoMalloc(std::string_view allocator);

/// The calls of a library that can be loaded (contract). It stays loaded.
MallocCalls LoadMalloc(std::string_view allocator);

/// Starts this program anew, with the same arguments, if the C library has no room left for the
/// thread-local variables of such libraries: it must be told before a program starts. Does nothing
/// the second time.
void RestartWithRoomForMallocs(const std::vector<std::string>& arguments);

}  // namespace pagealloc::bench
