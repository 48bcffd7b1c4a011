// Long random histories: every address as the model says, everything checked after each step.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <vector>

#include "pagealloc/sbrk_allocator.h"
#include "testing/fake_memory.h"
#include "testing/sbrk_invariants.h"
#include "testing/sbrk_map.h"

namespace pagealloc {
namespace {

using testing::LiveBlock;

constexpr std::size_t kPage = 64;

class History {
 public:
  struct Kind {
    std::size_t limit;   ///< pages
    std::size_t spare;   ///< pages
    bool somebody_else;  ///< moves the break, too
    std::uint64_t seed;
  };

  explicit History(Kind kind) : kind_(kind), random_(kind.seed) {
    const EmulatedBreak::Shape shape{ByteCount{kind.limit * kPage}, ByteCount{kPage},
                                     ByteCount{kind.spare * kPage}, ByteCount{16 * kPage}};
    EXPECT_TRUE(source_.Init(os_, shape).ok());
    allocator_.emplace(source_);
    const auto first = reinterpret_cast<std::uintptr_t>(allocator_->first());
    model_.emplace(static_cast<std::size_t>(first / kPage), kind.spare, kind.limit);
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      Step();
      ASSERT_EQ(checker_.Check(*allocator_, live_), "") << "step " << step << "\n" << model_->map();
      ASSERT_EQ(Page(allocator_->bloc()), model_->bloc()) << "step " << step;
      ASSERT_EQ(Page(allocator_->bloc_max()), model_->bloc_max()) << "step " << step;
      const SbrkStats stats = allocator_->stats();
      ASSERT_EQ(stats.free.raw, model_->Count('.') * kPage);
      ASSERT_EQ(stats.live.raw, model_->Count('#') * kPage);
      ASSERT_EQ(stats.holes.raw, model_->Count('x') * kPage);
    }
    while (!live_.empty() && !::testing::Test::HasFatalFailure()) FreeOne();
    EXPECT_EQ(allocator_->stats().live, ByteCount{0});
    EXPECT_EQ(checker_.Check(*allocator_, live_), "");
    for (std::byte* const page : others_) ExpectFilled(page, kPage, std::byte{0x55});
  }

  // How often what the history is about happened.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  std::size_t Below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  std::size_t Page(const std::byte* at) {
    return static_cast<std::size_t>(at - allocator_->first()) / kPage;
  }
  static void ExpectFilled(const std::byte* begin, std::size_t size, std::byte with) {
    ASSERT_TRUE(*begin == with && std::memcmp(begin, begin + 1, size - 1) == 0)
        << "somebody wrote into memory that is not his";
  }

  void Step() {
    const std::size_t dice = Below(100);
    // Phases in which more is taken and in which more is given back.
    const std::size_t taking = (steps_++ / 500) % 2 == 0 ? 55 : 40;
    const std::size_t pages = 1 + Below(Below(8) == 0 ? kind_.limit / 4 : 6);
    const ByteCount size{pages * kPage - Below(kPage)};
    if (dice < taking) {
      Took(allocator_->Allocate(size), model_->Allocate(pages), size);
    } else if (dice < taking + 6) {
      const std::size_t align = std::size_t{1} << Below(5);
      Took(allocator_->AllocateAligned(size, ByteCount{align * kPage}),
           model_->AllocateAligned(pages, align), size);
    } else if (dice < taking + 8) {
      Took({OsStatus::Ok(), allocator_->AllocateNoGrow(size)}, model_->AllocateNoGrow(pages), size);
    } else if (dice < taking + 9) {
      Took(allocator_->Extend(size), model_->Extend(pages), size);
    } else if (dice < taking + 10 && kind_.somebody_else) {
      MoveBreak();
    } else if (!live_.empty()) {
      FreeOne();
    }
  }

  void Took(OsMemory::Reservation got, std::optional<std::size_t> expected, ByteCount size) {
    ASSERT_EQ(got.begin != nullptr, expected.has_value()) << model_->map();
    if (!expected) {
      ++refused_;
      return;
    }
    ++taken_;
    ASSERT_EQ(Page(got.begin), *expected) << size.raw << " bytes\n" << model_->map();
    const std::size_t whole = (static_cast<std::size_t>(size.raw) + kPage - 1) / kPage * kPage;
    ASSERT_TRUE(testing::IsZero(got.begin, whole));
    std::memset(got.begin, 0xaa, whole);
    live_.push_back({got.begin, size});
  }

  void MoveBreak() {
    std::byte* const page = source_.MoveAsSomebodyElse(ByteCount{kPage});
    ASSERT_EQ(page != nullptr, model_->MoveBreak(1));
    if (page == nullptr) return;
    std::memset(page, 0x55, kPage);
    others_.push_back(page);
  }

  void FreeOne() {
    const std::size_t i = Below(live_.size());
    const LiveBlock block = live_[i];
    const std::size_t pages = (static_cast<std::size_t>(block.size.raw) + kPage - 1) / kPage;
    ExpectFilled(block.begin, pages * kPage, std::byte{0xaa});
    allocator_->Free(block.begin, block.size);
    model_->Free(Page(block.begin), pages);
    live_[i] = live_.back();
    live_.pop_back();
  }

  Kind kind_;
  std::mt19937_64 random_;
  testing::FakeMemory os_{ByteCount{kPage}};
  EmulatedBreak source_;
  std::optional<SbrkAllocator> allocator_;
  std::optional<testing::SbrkMap> model_;
  testing::SbrkChecker checker_;
  std::vector<LiveBlock> live_;
  std::vector<std::byte*> others_;
  std::uint64_t taken_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t steps_ = 0;
};

void RunHistories(bool somebody_else) {
  std::uint64_t taken = 0;
  std::uint64_t refused = 0;
  std::uint64_t seed = 1;
  for (const std::size_t limit : {16u, 100u, 300u, 1000u}) {
    for (const std::size_t spare : {0u, 7u}) {
      SCOPED_TRACE(::testing::Message() << "limit " << limit << ", spare " << spare);
      History history({limit, spare, somebody_else, seed++});
      history.Run(12'500);
      if (::testing::Test::HasFatalFailure()) return;
      taken += history.taken();
      refused += history.refused();
    }
  }
  EXPECT_GT(taken, 20'000u);
  EXPECT_GT(refused, 1'000u);
}

TEST(SbrkAllocatorRandom, HundredThousandStepsAgreeWithTheModel) { RunHistories(false); }
TEST(SbrkAllocatorRandom, AlsoWhenSomebodyElseMovesTheBreak) { RunHistories(true); }

}  // namespace
}  // namespace pagealloc
