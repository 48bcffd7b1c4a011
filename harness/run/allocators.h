/// allocators.h: every allocator that `-a` takes, what it can do, and whether it is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/run/source.h"

namespace pagealloc::bench {

/// Who decides where a run lies.
enum class Places : std::uint8_t {
  kModel,   ///< nobody: the lowest address that fits, so that every place can be compared
  kOwn,     ///< the allocator, among pages that the heap grew by; only allocations and frees
  kSystem,  ///< the allocator, in memory that it maps itself; only allocations and frees
};

/// On which layouts an allocator runs.
enum class Layouts : std::uint8_t {
  kEvery,
  kGo,    ///< linux-amd64 and linux-386
  kNone,  ///< it has none: kNoLayout
};

/// The library's front end with a page cache a processor, and without any: every request takes the
/// heap's lock.
inline constexpr std::string_view kHeap = "heap";
inline constexpr std::string_view kHeapLocked = "heap-locked";
constexpr bool IsHeap(std::string_view allocator) {
  return allocator == kHeap || allocator == kHeapLocked;
}

struct AllocatorInfo {
  std::string_view name;
  std::string_view sentence;  ///< for `list allocators`
  Places places = Places::kModel;
  Layouts layouts = Layouts::kEvery;
  bool thread_safe = false;       ///< may be given with --threads
  std::string_view package = {};  ///< of Debian, that it needs; empty: it is always there
};
/// In the order of the documentation.
const std::vector<AllocatorInfo>& AllAllocators();

/// The one of this name, which must be there (contract).
const AllocatorInfo& AllocatorNamed(std::string_view name);

/// Why an allocator cannot be used on a layout now, and how to get it; nullopt if it can.
///
/// @param layout  empty: on any.
std::optional<std::string> WhyUnavailable(const AllocatorInfo& allocator, std::string_view layout);

/// Why an allocator does not run on a layout at all; nullopt if it does.
std::optional<std::string> WrongLayout(const AllocatorInfo& allocator, std::string_view layout);

/// Whether an allocator can run a program.
///
/// @return  the first record that it cannot run, as it is printed; nullopt if there is none.
std::optional<std::string> MisfitForAllocator(const AllocatorInfo& allocator, const Source& source);

}  // namespace pagealloc::bench
