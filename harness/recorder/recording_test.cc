#include "harness/recorder/recording.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "harness/recorder/raw_events.h"
#include "harness/trace/judge.h"
#include "harness/trace/random.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

using recorder::RawEvent;
using recorder::RawHeader;
using recorder::RawKind;

struct Event {
  RawKind kind;
  std::uint64_t address;
  std::uint64_t bytes = 0;
  std::uint32_t thread = 0;
};

template <class Value>
void Put(std::string& file, std::size_t at, Value value) {
  std::memcpy(file.data() + at, &value, sizeof(value));
}

std::string FileOf(const std::vector<Event>& events) {
  std::string file(recorder::kHeaderBytes + events.size() * sizeof(RawEvent), '\0');
  Put(file, offsetof(RawHeader, magic), recorder::kMagic);
  Put(file, offsetof(RawHeader, taken), std::uint64_t{events.size()});
  Put(file, offsetof(RawHeader, lost), std::uint64_t{2});
  std::memcpy(file.data() + offsetof(RawHeader, program), "/bin/true", 9);
  std::size_t at = recorder::kHeaderBytes;
  for (const Event& event : events) {
    Put(file, at + offsetof(RawEvent, address), event.address);
    Put(file, at + offsetof(RawEvent, bytes), event.bytes);
    Put(file, at + offsetof(RawEvent, thread), event.thread);
    Put(file, at + offsetof(RawEvent, kind), event.kind);
    at += sizeof(RawEvent);
  }
  return file;
}

std::string TraceOf(const std::vector<Event>& events) {
  const auto recording = ReadRecording(FileOf(events));
  return recording ? WriteTrace(recording->trace) : "(nothing)";
}

TEST(Recording, BlocksBecomeAllocationsOfWholePagesByTheirThread) {
  const auto recording = ReadRecording(FileOf({{RawKind::kAllocate, 0x1000, 8192, 0},
                                               {RawKind::kAllocate, 0x9000, 8193, 1},
                                               {RawKind::kFree, 0x1000, 0, 1},
                                               {RawKind::kNone, 0, 0, 0},
                                               {RawKind::kFree, 0x1000, 0, 1},
                                               {RawKind::kAllocate, 0x1000, 100'000, 0}}));
  ASSERT_TRUE(recording.has_value());
  EXPECT_EQ(WriteTrace(recording->trace), "pagetrace 1\na 0 1 @0\na 1 2 @1\nf 0\na 2 13 @0\n");
  EXPECT_EQ(recording->program, "/bin/true");
  EXPECT_EQ(recording->allocations, 3U);
  EXPECT_EQ(recording->unknown_frees, 1U);
  EXPECT_EQ(recording->threads, 2U);
  EXPECT_EQ(recording->lost, 2U);
}

TEST(Recording, AnAddressThatIsGivenOutTwiceWasFreedBetween) {
  EXPECT_EQ(TraceOf({{RawKind::kAllocate, 0x1000, 8192}, {RawKind::kAllocate, 0x1000, 16'384}}),
            "pagetrace 1\na 0 1 @0\nf 0\na 1 2 @0\n");
}

// 16 pages from 0x20000: cut at both ends, in the middle, over the end, elsewhere.
TEST(Recording, APartOfAMappingThatGoesLeavesItsPieces) {
  const Event mapped{RawKind::kMap, 0x20000, 0x20000};
  const auto after = [&](std::uint64_t begin, std::uint64_t bytes) {
    return TraceOf({mapped, {RawKind::kUnmap, begin, bytes}});
  };
  const std::string whole = "pagetrace 1\na 0 16 @0\n";
  EXPECT_EQ(after(0x20000, 0x20000), whole + "f 0\n");
  EXPECT_EQ(after(0x10000, 0x50000), whole + "f 0\n");
  EXPECT_EQ(after(0x20000, 0x4000), whole + "f 0\na 1 14 @0\n");
  EXPECT_EQ(after(0x3c000, 0x40000), whole + "f 0\na 1 14 @0\n");
  EXPECT_EQ(after(0x28000, 0x8000), whole + "f 0\na 1 4 @0\na 2 8 @0\n");
  EXPECT_EQ(after(0x40000, 0x1000), whole);
  EXPECT_EQ(after(0x1f000, 0x1000), whole);
}

TEST(Recording, AMappingOverAnotherReplacesIt) {
  EXPECT_EQ(TraceOf({{RawKind::kMap, 0x20000, 0x8000}, {RawKind::kMap, 0x24000, 0x8000}}),
            "pagetrace 1\na 0 4 @0\nf 0\na 1 2 @0\na 2 4 @0\n");
}

TEST(Recording, RemappingMovesWhatIsKnownAndNothingElse) {
  EXPECT_EQ(TraceOf({{RawKind::kMap, 0x20000, 0x4000},
                     {RawKind::kRemapFrom, 0x20000, 0x4000},
                     {RawKind::kRemapTo, 0x90000, 0x8000}}),
            "pagetrace 1\na 0 2 @0\nf 0\na 1 4 @0\n");
  // A file's pages, of which there is no record.
  EXPECT_EQ(TraceOf({{RawKind::kRemapFrom, 0x20000, 0x4000}, {RawKind::kRemapTo, 0x90000, 0x8000}}),
            "pagetrace 1\n");
}

TEST(Recording, WhatIsNoRecordingIsRefused) {
  EXPECT_FALSE(ReadRecording("").has_value());
  EXPECT_FALSE(ReadRecording(std::string(8192, 'x')).has_value());
}

// A file that was cut, or of a program that wrote over its own memory.
TEST(Recording, EveryTraceIsLegal) {
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Event> events;
    for (int i = 0; i < 200; ++i) {
      events.push_back({static_cast<RawKind>(random.Below(9)), random.Below(64) * 4096,
                        random.Below(40) * 4096, static_cast<std::uint32_t>(random.Below(3))});
    }
    events.push_back({RawKind::kUnmap, ~std::uint64_t{0} - 4, 400});
    std::string file = FileOf(events);
    file.resize(file.size() - random.Below(file.size() / 2));
    const auto recording = ReadRecording(file);
    ASSERT_TRUE(recording.has_value());
    const auto judged = Judge(recording->trace);
    EXPECT_TRUE(judged.ok()) << judged.error().Message();
  }
}

}  // namespace
}  // namespace pagealloc::bench
