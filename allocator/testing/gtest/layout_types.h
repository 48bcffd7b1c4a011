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

/// The ten that are shipped.
using ShippedLayouts = ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386,
                                        LinuxArm, LinuxMips, Wasm125, Wasm126, LinuxAmd64La57>;
/// Those with terabytes of room.
using WideLayouts = ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, LinuxAmd64La57>;
/// The shipped ones, and the tiny ones with room for 24 chunks and more.
using RoomyLayouts =
    ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386, LinuxArm, LinuxMips,
                     Wasm125, Wasm126, LinuxAmd64La57, TinyWordChunks, TinyUneven, TinyDeep>;
/// All there are.
using AllLayouts = ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386, LinuxArm,
                                    LinuxMips, Wasm125, Wasm126, LinuxAmd64La57, TinyWordChunks,
                                    TinyUneven, TinyDeep, TinyOneRoot>;

}  // namespace pagealloc::testing
