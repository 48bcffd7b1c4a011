/// go_program.h: where the programs behind `-a go` are. tools/build-go-peer makes them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace pagealloc::bench {

/// The allocators that these programs are: `go`, whose timed passes take the runtime's heap lock
/// and change to the system stack once, and kGoLocked, which does both for each operation, as the
/// runtime itself.
inline constexpr std::string_view kGoLocked = "go-locked";
constexpr bool IsGo(std::string_view allocator) {
  return allocator == "go" || allocator == kGoLocked;
}

/// The layouts for which there is a program.
inline constexpr std::array<std::string_view, 2> kGoLayouts{"linux-amd64", "linux-386"};

/// The folder that it says instead of the one where this program lies.
inline constexpr const char* kGoFolderVariable = "PAGEALLOC_PEER_GO";

/// Path of the program for a layout, whether it is there or not.
std::string GoProgram(std::string_view layout);

/// Why that program cannot be used, and which command makes one that can: it is missing, does not
/// run on this machine, or speaks another version of go_stream.h. nullopt: it can be used.
std::optional<std::string> WhyNoGoProgram(std::string_view layout);

}  // namespace pagealloc::bench
