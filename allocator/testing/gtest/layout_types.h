/// layout_types.h: the layouts as type lists for GoogleTest's typed tests.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "pagealloc/layout.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::testing {

/// Test names that say the layout: PageAllocatorGrow/linux_386.OneChunk…
struct LayoutNames {
  template <class L>
  static std::string GetName(int) {
    std::string name(L::kName);
    for (char& c : name) {
      if (c == '-' || c == '.') c = '_';
    }
    return name;
  }
};

/// The nine that are shipped.
using ShippedLayouts = ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386,
                                        LinuxArm, LinuxMips, Wasm125, Wasm126>;
/// Those with summaries that are committed as the heap grows, and terabytes of room.
using Layouts48 = ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64>;
/// The shipped ones, and the tiny ones with room for 24 chunks and more.
using RoomyLayouts =
    ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386, LinuxArm, LinuxMips,
                     Wasm125, Wasm126, TinyWordChunks, TinyUneven, TinyDeep>;
/// All there are.
using AllLayouts =
    ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386, LinuxArm, LinuxMips,
                     Wasm125, Wasm126, TinyWordChunks, TinyUneven, TinyDeep, TinyOneRoot>;

}  // namespace pagealloc::testing
