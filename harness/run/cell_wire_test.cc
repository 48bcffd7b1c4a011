#include "harness/run/cell_wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/run/wire_text.h"

namespace pagealloc::bench {
namespace {

WorkloadCell SomeCell() {
  WorkloadCell cell;
  cell.workload.name = "churn";
  cell.workload.params = {{"occupancy", "90"}, {"size", "1-16"}, {"odd", "a\\nb\nc d"}};
  cell.workload.heap = ByteCount{std::uint64_t{1} << 30};
  cell.workload.seed = std::numeric_limits<std::uint64_t>::max();
  cell.workload.smoke = true;
  cell.options.allocator = "radix";
  cell.options.layout = "linux-386";
  cell.options.caches = 16;
  cell.options.threads = 3;
  cell.options.memory = HeapMemory::kTouch;
  cell.options.place_exact = true;
  cell.options.huge_pages = HugePageMode::kAlways;
  cell.options.cpu = 3;
  cell.options.time_ops = true;
  cell.options.open_loop = OpenLoop{0.1, Arrival::kFixed, 77};
  cell.options.batch = 128;
  cell.options.slowdown_percent = 5;
  cell.options.heap_pages = PageCount{1234};
  cell.options.clock = {ClockSource::kTsc, 0.3333333333333333, 10, 22.25, 1e-9};
  return cell;
}

TimedResult SomeTimes() {
  TimedResult result;
  result.result_hash = 0xfedcba9876543210;
  result.batches = {{RowOp::kAll, 101.0625, 1.1, 1'000'000, 64}, {RowOp::kFind, 0.1, 0, 3}};
  result.batch_costs = {1e6, 7, 8};
  result.rss_bytes = 1 << 20;
  result.service[0].Record(17);
  result.service[3].Record(1'000'000);
  result.response[1].Record(std::uint64_t{1} << 35);
  result.null_op.Record(0);
  result.open_loop = OpenLoopTime{3, 1e9 / 3, 2e9};
  result.op_costs = {std::nullopt, 0, 9};
  return result;
}

CheckedResult SomeCheck() {
  CheckedResult result;
  result.result_hash = 5;
  result.mismatch = Mismatch{77, "offset 512", "none"};
  result.metadata_bytes = 151'552;
  result.occupancy = Occupancy{ByteCount{81'920}, ByteCount{16'384}, 3};
  result.work = TreeWork{1, 2, 3};
  return result;
}

TEST(CellWire, WorkloadCellComesBackAsItWas) {
  const WorkloadCell cell = SomeCell();
  const std::string text = EncodeWorkloadCell(cell);
  const absl::StatusOr<WorkloadCell> back = DecodeWorkloadCell(text);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->workload.params, cell.workload.params);
  EXPECT_EQ(back->options.layout, "linux-386");
  EXPECT_EQ(back->options.cpu, 3U);
  EXPECT_EQ(back->options.open_loop, cell.options.open_loop);
  EXPECT_EQ(back->options.clock.ns_per_tick, cell.options.clock.ns_per_tick);
  EXPECT_EQ(EncodeWorkloadCell(*back), text);
}

Program SomeProgram() {
  Program program;
  program.chunk_pages = PageCount{64};
  program.explicit_growth = true;
  program.ops = {Op::Grow(TraceOffset{0}, PageCount{64}), Op::Allocate(0, PageCount{3}, 7),
                 Op::ReturnCache(TraceOffset{64}, 0xf0, 0x10), Op::Free(0)};
  program.measured_from = 1;
  program.kind_block = 2;
  program.id_count = 1;
  return program;
}

TEST(CellWire, AProgramComesBackOperationByOperation) {
  const Program program = SomeProgram();
  const std::string bytes = EncodeProgramCell(SomeCell().options, program);
  const absl::StatusOr<ProgramCell> back = DecodeProgramCell(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->program.ops, program.ops);
  EXPECT_EQ(back->program.stream_hash(), program.stream_hash());
  EXPECT_EQ(EncodeProgramCell(back->options, back->program), bytes);
}

TEST(CellWire, AProgramCutAnywhereIsRefused) {
  const std::string bytes = EncodeProgramCell(SomeCell().options, SomeProgram());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeProgramCell(std::string_view(bytes).substr(0, size)).status().code(),
              absl::StatusCode::kInternal)
        << size;
  }
}

TEST(CellWire, TimesComeBackAsTheyWereToTheLastBit) {
  const TimedResult result = SomeTimes();
  const absl::StatusOr<TimedResult> back = DecodeTimed(EncodeTimed(result));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, result);
}

TEST(CellWire, CheckedResultComesBackAsItWas) {
  for (const CheckedResult& result : {SomeCheck(), CheckedResult{}}) {
    const absl::StatusOr<CheckedResult> back = DecodeChecked(EncodeChecked(result));
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, result);
  }
}

TEST(CellWire, AnErrorArrivesAsTheStatusThatItWas) {
  const absl::Status error = absl::FailedPreconditionError("no memory:\nask for less");
  EXPECT_EQ(DecodeTimed(EncodeError(error)).status(), error);
  EXPECT_EQ(DecodeChecked(EncodeError(error)).status(), error);
}

TEST(CellWire, ATextCutAnywhereIsRefused) {
  for (const std::string& text :
       {EncodeTimed(SomeTimes()), EncodeChecked(SomeCheck()), EncodeWorkloadCell(SomeCell())}) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      const std::string_view cut = std::string_view(text).substr(0, size);
      EXPECT_EQ(DecodeTimed(cut).status().code(), absl::StatusCode::kInternal) << size;
      EXPECT_EQ(DecodeChecked(cut).status().code(), absl::StatusCode::kInternal) << size;
      EXPECT_EQ(DecodeWorkloadCell(cut).status().code(), absl::StatusCode::kInternal) << size;
    }
  }
}

// No byte may make the reader crash; most make it refuse, some only change a value.
TEST(CellWire, AnyByteChangedIsRefusedOrAnotherValue) {
  const std::string text = EncodeTimed(SomeTimes());
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char byte : {'\n', '\\', '9'}) {
      std::string damaged = text;
      if (damaged[at] == byte) continue;
      damaged[at] = byte;
      const absl::StatusOr<TimedResult> back = DecodeTimed(damaged);
      if (back.ok()) {
        EXPECT_NE(EncodeTimed(*back), text) << at;
      } else {
        EXPECT_EQ(back.status().code(), absl::StatusCode::kInternal);
      }
    }
  }
}

TEST(CellWire, OneKindOfTextIsNotReadAsAnother) {
  EXPECT_FALSE(DecodeChecked(EncodeTimed(SomeTimes())).ok());
  EXPECT_FALSE(DecodeTimed(EncodeWorkloadCell(SomeCell())).ok());
}

TEST(CellWire, SaysWhichKeyIsWrong) {
  std::string text = EncodeChecked(SomeCheck());
  const std::size_t at = text.find("metadata_bytes 151552");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 21, "metadata_bytes 15l552");
  EXPECT_EQ(DecodeChecked(text).status().message(),
            "a message between processes is damaged: metadata_bytes: not a number");
}

TEST(WireText, RefusesLinesLeftOver) {
  WireWriter out("x");
  out.Number("a", 1);
  out.Number("b", 2);
  const std::string text = out.Finish();
  WireReader in(text);
  EXPECT_EQ(in.Number("a"), 1U);
  in.Finish();
  EXPECT_EQ(in.error(), "b 2: a line too many");
}

TEST(WireText, RefusesEnumeratorsOutOfRange) {
  WireWriter out("x");
  out.Number("a", 4);
  const std::string text = out.Finish();
  WireReader in(text);
  EXPECT_EQ(in.Below("a", 4), 0U);
  EXPECT_EQ(in.error(), "a: out of range");
}

}  // namespace
}  // namespace pagealloc::bench
