#include "pagealloc/break_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "testing/fake_memory.h"
#include "testing/sbrk_invariants.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using testing::IsZero;

constexpr ByteCount kPage{4096};
constexpr EmulatedBreak::Shape kShape{ByteCount{16 * 4096}, kPage, ByteCount{2 * 4096},
                                      ByteCount{1 << 16}};

std::uintptr_t Number(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

TEST(EmulatedBreak, BeginsAlignedWithItsSpareMemory) {
  FakeMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source.Init(os, kShape).ok());
  const BreakSource::Spare spare = source.Start();
  EXPECT_EQ(Number(spare.begin) % kShape.alignment.raw, 0u);
  EXPECT_EQ(spare.end, spare.begin + kShape.spare.raw);
  EXPECT_EQ(source.Position(), spare.end);
  EXPECT_EQ(os.committed(), kShape.spare);
}

// WebAssembly's page, and an alignment that is no less than an arena's of Go there.
TEST(EmulatedBreak, ShapeThatOnlyNamesALimit) {
  const EmulatedBreak::Shape shape{.limit = ByteCount{1 << 20}, .spare = ByteCount{0}};
  EXPECT_EQ(shape.page, ByteCount{64u << 10});
  EXPECT_EQ(shape.alignment, ByteCount{4u << 20});
  FakeMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source.Init(os, shape).ok());
  EXPECT_EQ(os.reserved(), shape.limit + shape.alignment);
}

TEST(EmulatedBreak, GrowsAtItsPositionUpToTheLimit) {
  FakeMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source.Init(os, kShape).ok());
  std::byte* const at = source.Position();
  ASSERT_TRUE(source.Extend(ByteCount{3 * 4096}).ok());
  EXPECT_EQ(source.Position(), at + 3 * 4096);
  EXPECT_TRUE(IsZero(at, 3 * 4096));
  const OsStatus status = source.Extend(ByteCount{12 * 4096});
  EXPECT_EQ(status.call, OsCall::kReserve);
  EXPECT_EQ(status.error_number, ENOMEM);
  EXPECT_EQ(source.Position(), at + 3 * 4096) << "a refusal changes nothing";
  EXPECT_TRUE(source.Extend(ByteCount{11 * 4096}).ok()) << "the limit itself can be reached";
  EXPECT_FALSE(source.Extend(kPage).ok());
  EXPECT_EQ(source.MoveAsSomebodyElse(kPage), nullptr);
}

TEST(EmulatedBreak, MemoryOfSomebodyElseMovesThePosition) {
  FakeMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source.Init(os, kShape).ok());
  std::byte* const at = source.Position();
  EXPECT_EQ(source.MoveAsSomebodyElse(kPage), at);
  EXPECT_EQ(source.Position(), at + 4096);
}

TEST(EmulatedBreak, LimitBeyondTheHostIsRefused) {
  MmapMemory os;
  EmulatedBreak source;
  EmulatedBreak::Shape shape = kShape;
  shape.limit = ByteCount{std::uint64_t{1} << 62};
  shape.spare = ByteCount{0};
  shape.page = shape.alignment = ByteCount{1 << 16};
  EXPECT_EQ(source.Init(os, shape).error_number, ENOMEM);
  // With the alignment it would wrap.
  shape.limit = ByteCount{~std::uint64_t{0} - 0x3fffff};
  shape.alignment = ByteCount{8u << 20};
  EXPECT_EQ(source.Init(os, shape).error_number, ENOMEM);
}

TEST(EmulatedBreakDeathTest, PartsOfPagesBreakTheContract) {
  FakeMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source.Init(os, kShape).ok());
  const char* const rule = "contract broken: size\\.raw > 0 && size\\.raw % shape_";
  EXPECT_DEATH(static_cast<void>(source.Extend(ByteCount{100})), rule);
  EXPECT_DEATH(static_cast<void>(source.Extend(ByteCount{0})), rule);
  EmulatedBreak other;
  EmulatedBreak::Shape shape = kShape;
  shape.limit = ByteCount{16 * 4096 + 1};
  EXPECT_DEATH(static_cast<void>(other.Init(os, shape)), "contract broken: shape\\.limit >= shape");
  shape.limit = ByteCount{0};
  EXPECT_DEATH(static_cast<void>(other.Init(os, shape)), "contract broken: shape\\.limit >= shape");
  shape = kShape;
  shape.page = ByteCount{1024};
  EXPECT_DEATH(static_cast<void>(other.Init(os, shape)), "contract broken: .*shape\\.page");
}

TEST(ProcessBreak, ExtensionsAreZeroAndContiguous) {
  ProcessBreak source;
  const ByteCount page = source.page_size();
  std::byte* const first = source.Position();
  EXPECT_EQ(Number(first) % page.raw, 0u);
  ASSERT_TRUE(source.Extend(ByteCount{3 * page.raw}).ok());
  EXPECT_EQ(source.Position(), first + 3 * page.raw);
  EXPECT_TRUE(IsZero(first, static_cast<std::size_t>(3 * page.raw)));
  first[3 * page.raw - 1] = std::byte{1};
}

TEST(ProcessBreak, NoticesWhoElseMovesTheBreakEvenByPartsOfPages) {
  ProcessBreak source;
  const ByteCount page = source.page_size();
  ASSERT_TRUE(source.Extend(page).ok());
  std::byte* const before = source.Position();
  auto* const his = static_cast<std::byte*>(::sbrk(100));  // as malloc might
  ASSERT_EQ(his, before);
  his[99] = std::byte{1};
  EXPECT_EQ(source.Position(), before + page.raw) << "rounded up: the rest of his page is not ours";
  ASSERT_TRUE(source.Extend(page).ok());
  EXPECT_TRUE(IsZero(before + page.raw, static_cast<std::size_t>(page.raw)));
  EXPECT_EQ(::sbrk(0), before + 2 * page.raw);
}

TEST(ProcessBreak, MoreThanTheSystemHasIsRefused) {
  ProcessBreak source;
  std::byte* const before = source.Position();
  const std::uint64_t page = source.page_size().raw;
  for (const std::uint64_t size :
       {std::uint64_t{1} << 62, std::uint64_t{INTPTR_MAX} + 1, UINTPTR_MAX - page + 1, ~page + 1}) {
    EXPECT_EQ(source.Extend(ByteCount{size}).error_number, ENOMEM) << size;
  }
  EXPECT_EQ(source.Position(), before);
}

}  // namespace
}  // namespace pagealloc
