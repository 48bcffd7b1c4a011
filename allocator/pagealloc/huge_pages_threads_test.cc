// Threads that ask for huge pages and threads that release memory, on one chunk.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "pagealloc/heap_huge_pages.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/scavenge_index.h"
#include "testing/mapped_memory.h"

namespace pagealloc {
namespace {

/// Keeps whoever makes huge pages waiting, 5 seconds at most, and writes down what it was asked
/// for: "+0" hint for chunk 0, "-0" against, "!0" collapse.
class GatedMemory final : public testing::MappedMemory {
 public:
  [[nodiscard]] ByteCount huge_page_size() const override { return kChunk; }
  OsStatus HintHugePages(std::byte* begin, ByteCount, HugePages want) override {
    Write(want == HugePages::kPrefer ? '+' : '-', begin);
    return OsStatus::Ok();
  }
  OsStatus CollapseHugePages(std::byte* begin, ByteCount) override {
    Write('!', begin);
    for (int i = 0; i < 1000 && !open; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return OsStatus::Ok();
  }
  std::string Calls() {
    const std::lock_guard guard(mutex_);
    return calls_;
  }

  static constexpr ByteCount kChunk = Geometry<Linux386>::kChunkBytes;
  std::byte* host = nullptr;  // where chunk 0 is
  std::atomic<bool> open = false;

 private:
  void Write(char what, const std::byte* begin) {
    const std::lock_guard guard(mutex_);
    calls_ += what + std::to_string(static_cast<std::uint64_t>(begin - host) / kChunk.raw);
  }

  std::mutex mutex_;
  std::string calls_;
};

/// Two chunks without memory. A thread is at the kernel, making huge pages behind chunk 0. Whoever
/// must wait for it gets a tenth of a second to do otherwise: too little hides a defect, it never
/// makes one up.
class HugePagesUnderWay : public ::testing::Test {
 protected:
  using L = Linux386;
  using G = Geometry<L>;
  static constexpr unsigned kChunk = static_cast<unsigned>(G::kChunkPages.raw);
  static constexpr ByteCount kSize{2 * G::kChunkBytes.raw};
  static constexpr ChunkIndex kFirst = G::ChunkOf(G::kHeapBasePage);

  void SetUp() override {
    const OsMemory::Reservation got = os_.Reserve(kSize);
    ASSERT_TRUE(got.status.ok());
    os_.host = got.begin;
    chunks_.Init(os_);
    index_.Init(chunks_);
    ASSERT_TRUE(chunks_.MakeBlocks(kFirst, ChunkIndex{kFirst.raw + 2}).ok());
    ASSERT_TRUE(huge_.Init(os_, HugePageUse::kDenseChunks).ok());
    ASSERT_TRUE(huge_.Grew(PageRange::Of(G::kHeapBasePage, PageCount{2 * kChunk}), Host(0)).ok());
    Fill(0);
    threads_.emplace_back([this] { Allocated(0); });
    for (int i = 0; i < 1000 && os_.Calls() != "-0+0!0"; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_EQ(os_.Calls(), "-0+0!0");
  }
  void TearDown() override {
    Finish();
    EXPECT_TRUE(os_.Unreserve(os_.host, kSize).ok());
  }

  static ChunkIndex Chunk(std::uint64_t i) { return ChunkIndex{kFirst.raw + i}; }
  std::byte* Host(std::uint64_t chunk) const { return os_.host + chunk * G::kChunkBytes.raw; }
  void Fill(std::uint64_t chunk) { index_.Allocated(Chunk(chunk), kChunk); }
  void Allocated(std::uint64_t chunk) {
    huge_.Allocated(Chunk(chunk), Host(chunk), /*fresh=*/false, index_);
  }
  static void LetThreadsCome() { std::this_thread::sleep_for(std::chrono::milliseconds(100)); }
  /// Lets the kernel finish, and waits for all threads.
  void Finish() {
    os_.open = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  GatedMemory os_;
  ChunkMap<L> chunks_;
  ScavengeIndex<L> index_;
  HeapHugePages<L> huge_;
  std::vector<std::thread> threads_;
};

TEST_F(HugePagesUnderWay, ReleasingWaits) {
  threads_.emplace_back([this] { huge_.Releasing(Chunk(0), Host(0)); });
  LetThreadsCome();
  EXPECT_EQ(os_.Calls(), "-0+0!0");
  Finish();
  EXPECT_EQ(os_.Calls(), "-0+0!0-0");
}

TEST_F(HugePagesUnderWay, ChunkThatIsDenseNoMoreIsNotMadeHuge) {
  Fill(1);
  threads_.emplace_back([this] { Allocated(1); });
  LetThreadsCome();
  EXPECT_EQ(os_.Calls(), "-0+0!0") << "the other chunk waits too";
  index_.Freed(Chunk(1), kChunk, G::ChunkBegin(Chunk(2)));
  Finish();
  EXPECT_EQ(os_.Calls(), "-0+0!0");
}

TEST_F(HugePagesUnderWay, ChunkThatTwoFindDenseIsMadeHugeOnce) {
  Fill(1);
  for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { Allocated(1); });
  LetThreadsCome();
  Finish();
  EXPECT_EQ(os_.Calls(), "-0+0!0+1!1");
}

}  // namespace
}  // namespace pagealloc
