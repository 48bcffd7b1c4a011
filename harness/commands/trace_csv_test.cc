#include "harness/commands/trace_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/trace_file.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Every kind of record, with and without what may be left out.
constexpr const char* kEveryRecord =
    "pagetrace 1\n"
    "#a comment, \"quoted\"\n"
    "meta source an example, with a comma\n"
    "meta chunk-pages 64\n"
    "g 0 512\n"
    "a buffer 3 = 0\n"
    "a 01 2 @7 = 3\n"
    "a x.y-Z_ 600 = none\n"
    "a q 1 @0\n"
    "f buffer\n"
    "r 100 4\n"
    "u 101 1\n"
    "c = 0 0xFFFFFFFFFFFFFFC7\n"
    "c\n"
    "k 0 0xF 0x1\n"
    "k 64 0x0\n"
    "s 3\n"
    "s 3 bg\n"
    "s 3 bg = 0\n"
    "n\n";

TEST(TraceCsv, EveryRecordComesBackLetterForLetter) {
  const std::string csv = TraceToCsv(kEveryRecord);
  EXPECT_THAT(csv, StartsWith("kind,id,offset,pages,cpu,mask,scavenged,mode,expect,expect_mask,key,"
                              "value\ncomment,,,,,,,,,,,\"a comment, \"\"quoted\"\"\"\n"));
  EXPECT_THAT(csv, HasSubstr("\nalloc,01,,2,7,,,,3,,,\n"));
  EXPECT_THAT(csv, HasSubstr("\nreturn_cache,,0,,,0xF,0x1,,,,,\n"));
  const auto back = CsvToTrace("x.csv", csv);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, kEveryRecord);
}

// Line ends and empty lines are not a trace's content; everything else must come back.
TEST(TraceCsv, EveryTraceOfTheCorpusComesBack) {
  int traces = 0;
  for (const char* folder : {"/bad", "/traces"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(PAGEALLOC_CORPORA + std::string(folder))) {
      const std::string name = entry.path().filename();
      const bool small = name.starts_with("link_") || name.starts_with("compile386_");
      if (name.ends_with(".expected") || (!name.starts_with("accepted-") && !small)) continue;
      const auto trace = ReadTraceFile(entry.path());
      ASSERT_TRUE(trace.ok() && !trace->error) << name;
      const auto back = CsvToTrace(name, TraceToCsv(trace->program.text));
      ASSERT_TRUE(back.ok()) << back.status();
      const ParsedTrace again = ParseTrace(name, *back);
      ASSERT_FALSE(again.error.has_value()) << again.error->Message();
      EXPECT_EQ(again.program.meta, trace->program.meta) << name;
      EXPECT_EQ(again.program.stream_hash(), trace->program.stream_hash()) << name;
      EXPECT_EQ(TraceToCsv(*back), TraceToCsv(trace->program.text)) << name;
      ++traces;
    }
  }
  EXPECT_GE(traces, 10);
}

TEST(TraceCsv, ColumnsMayStandInAnyOrderAndBeLeftOut) {
  const auto text = CsvToTrace("x.csv", "pages,kind,id\n3,alloc,x\n,free,x\n");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, "pagetrace 1\na x 3\nf x\n");
}

TEST(TraceCsv, WhatCannotStandInATraceIsToldWithItsPlace) {
  struct Case {
    const char* csv;
    const char* message;
  };
  for (const Case& bad : std::vector<Case>{
           {"", "x.csv:1: : the file is empty"},
           {"kind,sice\n", "x.csv:1: : unknown column 'sice'"},
           {"kind,kind\n", "x.csv:1: : the column kind stands twice"},
           {"id,pages\n", "x.csv:1: : there is no column kind"},
           {"kind,id\nfree,x\nfre,x\n",
            "x.csv:3: fre,x: unknown kind 'fre'. The nearest is 'free'"},
           {"kind,id\nfree\n", "x.csv:2: free: it has 1 cells, and the header 2"},
           {"kind,id,pages\nalloc,x,\n", "x.csv:2: alloc,x,: alloc needs a cell pages"},
           {"kind,id,pages\nfree,x,3\n", "x.csv:2: free,x,3: free has no pages"},
           {"kind,id,pages\nalloc,x 5,@1\n", "x.csv:2: alloc,x 5,@1: the cell id holds a space"},
           {"kind,key,value\nmeta,a,\"b\nc\"\n", "holds the end of a line"},
           {"kind,expect_mask\ntake_cache,0x1\n", "an expect_mask without an expect"},
           {"kind,id\n\"free,x\n", "x.csv:2: "},
       }) {
    const auto text = CsvToTrace("x.csv", bad.csv);
    ASSERT_FALSE(text.ok()) << bad.csv;
    EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(text.status().message()), HasSubstr(bad.message)) << bad.csv;
  }
}

// A row and its record have the same line number, so that what is wrong with a record names the
// row.
TEST(TraceCsv, ARecordHasTheLineNumberOfItsRow) {
  const auto text = CsvToTrace("x.csv", "kind,id,pages\nalloc,x,3\nfree,x,\nfree,x,\n");
  ASSERT_TRUE(text.ok()) << text.status();
  const auto judged = Judge(ParseTrace("x.csv", *text));
  ASSERT_FALSE(judged.ok());
  EXPECT_THAT(judged.error().Message(), StartsWith("x.csv:4: f x: "));
}

}  // namespace
}  // namespace pagealloc::bench
