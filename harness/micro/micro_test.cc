#include "harness/micro/micro.h"

#include <gtest/gtest.h>

namespace pagealloc::bench {
namespace {

TEST(MicroName, ColumnsFollowFromTheName) {
  const MicroName churn = ParseMicroName("Churn<LinuxAmd64>/percent:90/max:16");
  EXPECT_EQ(churn.op, "Churn");
  EXPECT_EQ(churn.cell.layout, "linux-amd64");
  EXPECT_EQ(churn.cell.params, "max=16;percent=90");
  EXPECT_EQ(churn.cell.suite, "micro");
  EXPECT_EQ(ParseMicroName("Merge<Linux386>").cell.layout, "linux-386");
  EXPECT_EQ(ParseMicroName("Hot<Wasm126>").cell.layout, "wasm-1.26");
}

TEST(MicroName, WithoutALayoutOrNamesOfArguments) {
  const MicroName scan = ParseMicroName("BitmapScan/8");
  EXPECT_EQ(scan.op, "BitmapScan");
  EXPECT_EQ(scan.cell.layout, "host");
  EXPECT_EQ(scan.cell.params, "argument=8");
}

}  // namespace
}  // namespace pagealloc::bench
