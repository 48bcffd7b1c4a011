#include "harness/base/temporary_folder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace pagealloc::bench {
namespace {

TEST(TemporaryFolder, IsAFolderOfItsOwnAndGoneWithItsContentsAfterwards) {
  std::string first;
  {
    const TemporaryFolder one;
    const TemporaryFolder two;
    ASSERT_FALSE(one.error()) << one.error().message();
    EXPECT_NE(one.path(), two.path());
    EXPECT_EQ(one.path().size(), two.path().size());
    first = one.path();
    std::ofstream(one.File("file")) << "text";
    std::filesystem::create_directory(one.File("inner"));
    EXPECT_TRUE(std::filesystem::exists(first + "/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(first));
}

TEST(TemporaryFolder, StandsWhereTheEnvironmentSaysAndTellsWhenItCannot) {
  const TemporaryFolder outer;
  ASSERT_EQ(setenv("TMPDIR", outer.path().c_str(), 1), 0);
  EXPECT_TRUE(TemporaryFolder().path().starts_with(outer.path() + "/"));
  ASSERT_EQ(setenv("TMPDIR", outer.File("absent").c_str(), 1), 0);
  const TemporaryFolder nowhere;
  EXPECT_EQ(nowhere.error(), std::errc::no_such_file_or_directory);
  ASSERT_EQ(unsetenv("TMPDIR"), 0);
}

}  // namespace
}  // namespace pagealloc::bench
