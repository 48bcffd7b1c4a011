/// How much memory reading a trace takes: this program counts every byte that is allocated.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

#include "harness/trace/trace_reader.h"

namespace {

std::size_t live_bytes = 0;
std::size_t peak_bytes = 0;

void* CountedAllocate(std::size_t size) {
  void* const block = std::malloc(size);
  if (block == nullptr) std::abort();
  live_bytes += malloc_usable_size(block);
  peak_bytes = std::max(peak_bytes, live_bytes);
  return block;
}

void CountedFree(void* block) {
  if (block != nullptr) live_bytes -= malloc_usable_size(block);
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) { return CountedAllocate(size); }
void* operator new[](std::size_t size) { return CountedAllocate(size); }
void operator delete(void* block) noexcept { CountedFree(block); }
void operator delete[](void* block) noexcept { CountedFree(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { CountedFree(block); }
void operator delete[](void* block, std::size_t /*size*/) noexcept { CountedFree(block); }

namespace pagealloc::bench {
namespace {

constexpr std::size_t kRecords = 1'000'000;

/// Reads a text and says how many bytes a record were in use at most, the text's own included.
std::size_t PeakBytesARecord(std::string text) {
  text.shrink_to_fit();
  const std::size_t before = live_bytes - text.capacity();
  peak_bytes = live_bytes;
  const ParsedTrace trace = ParseTrace("generated", std::move(text));
  EXPECT_FALSE(trace.error.has_value());
  EXPECT_EQ(trace.program.ops.size(), kRecords);
  EXPECT_GT(peak_bytes, before);
  return (peak_bytes - before + kRecords - 1) / kRecords;
}

TEST(ParseTraceMemory, IsAtMost64BytesARecordWhereIdsAreUsedAgain) {
  std::string text = "pagetrace 1\n";
  for (std::size_t i = 0; i < kRecords; ++i) {
    const std::string id = std::to_string(i / 2 % 50'000);
    text += i % 2 == 0 ? "a " + id + " " + std::to_string(1 + i % 64) + " @1\n" : "f " + id + '\n';
  }
  EXPECT_LE(PeakBytesARecord(std::move(text)), 64U);
}

TEST(ParseTraceMemory, IsAtMost64BytesARecordWhereEachIdIsNew) {
  std::string text = "pagetrace 1\n";
  for (std::size_t i = 0; i < kRecords; ++i) {
    const std::string id = std::to_string(i / 2);
    text += i % 2 == 0 ? "a " + id + " 1\n" : "f " + id + '\n';
  }
  EXPECT_LE(PeakBytesARecord(std::move(text)), 64U);
}

}  // namespace
}  // namespace pagealloc::bench
