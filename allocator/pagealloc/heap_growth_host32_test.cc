// Growth on hosts with 32-bit addresses, as sequences of system calls. Built on such hosts only;
// heap_growth_test has the sequences of all others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pagealloc/heap_growth.h"
#include "testing/gtest/growing.h"

namespace pagealloc {
namespace {

using ::testing::ElementsAre;
using testing::Growing;

static_assert(sizeof(void*) == 4);

TEST(HeapGrowthOn32BitHosts, HeapOf32BitsBeginsAtItsOwnAddresses) {
  Growing<Linux386> heap;
  heap.ExpectJoins(1, 0, 1);
  heap.ExpectJoins(1, 1, 1);
  EXPECT_THAT(heap.space.TakeLog(), ElementsAre("reserve 10000000 524288", "commit 10000000 4096",
                                                "commit 10400000 4096"));
  EXPECT_EQ(heap.growth.origin(), HostAddress{0});
}

// The page that an address is does not depend on the place: the heap lies below its base.
TEST(HeapGrowthOn32BitHosts, HeapOf48BitsLiesWhereThereAreAddresses) {
  Growing<LinuxAmd64> heap;
  const auto got = heap.Grow(1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve anywhere c0000000 65536", "commit c0000000 4096"));
  EXPECT_EQ(heap.growth.HostOf(got.fresh.begin), reinterpret_cast<std::byte*>(0xc0000000));
}

// 0x130000000, cut off at 32 bits, is an address like any other, but not the one that was meant.
TEST(HeapGrowthOn32BitHosts, HeapOf40BitsIsNotPlacedByTheLower32BitsOfItsBase) {
  Growing<IosArm64> heap;
  heap.ExpectJoins(1, 0, 1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve anywhere c0000000 4096", "commit c0000000 4096"));
}

}  // namespace
}  // namespace pagealloc
