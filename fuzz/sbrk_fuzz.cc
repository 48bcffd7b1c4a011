/// sbrk: the allocator over one growing break, beside a model of one character a page.
///
///   byte 0   pages that may ever exist, pages there at the start
///   then     operations of one to three bytes: kind in the low 4 bits, argument in the high 4
///
/// The break is inside memory that refuses the k-th call; somebody else moves the break, too. After
/// each operation: bounds, sums and every free block as in the model, and all invariants, that is
/// free blocks in order, apart, zero; whoever holds memory finds in it what he wrote.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/decode_ops.h"
#include "fuzz/story.h"
#include "fuzz/target.h"
#include "pagealloc/sbrk_allocator.h"
#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/sbrk_invariants.h"
#include "testing/sbrk_map.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;
using testing::LiveBlock;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

constexpr std::size_t kPage = 64;
constexpr std::byte kOurs{0xaa};
constexpr std::byte kTheirs{0x55};

bool IsFilled(const std::byte* begin, std::size_t size, std::byte with) {
  return *begin == with && std::memcmp(begin, begin + 1, size - 1) == 0;
}

class SbrkRun {
 public:
  explicit SbrkRun(Input input) : story_("sbrk", input), in_(input) {}

  void RunAll() {
    const unsigned header = in_.Byte();
    const std::size_t limit = std::array<std::size_t, 4>{8, 24, 64, 160}[header % 4];
    const std::size_t spare = std::min<std::size_t>(header / 4 % 8, limit);
    story_.Step("start (limit, spare)", {limit, spare});
    const EmulatedBreak::Shape shape{ByteCount{limit * kPage}, ByteCount{kPage},
                                     ByteCount{spare * kPage}, ByteCount{16 * kPage}};
    story_.Expect("Init() is refused", source_.Init(os_, shape).ok());
    allocator_.emplace(source_);
    const auto first = reinterpret_cast<std::uintptr_t>(allocator_->first());
    model_.emplace(static_cast<std::size_t>(first / kPage), spare, limit);
    while (!in_.empty()) {
      Apply();
      Compare();
    }
    while (!live_.empty()) Free(live_.size() - 1);
    Compare();
    for (std::byte* const page : others_) {
      story_.Expect("somebody else's memory was written", IsFilled(page, kPage, kTheirs));
    }
    g_operations += story_.steps();
  }

 private:
  [[nodiscard]] std::size_t Page(const std::byte* at) const {
    return static_cast<std::size_t>(at - allocator_->first()) / kPage;
  }
  static std::size_t PagesOf(ByteCount size) {
    return (static_cast<std::size_t>(size.raw) + kPage - 1) / kPage;
  }

  void Apply() {
    const unsigned first = in_.Byte();
    const std::size_t argument = first / 16;
    // 1 to 12 pages, or up to a whole small heap.
    const std::size_t pages = argument < 12 ? argument + 1 : std::size_t{1} << (argument - 8);
    // Not always whole pages.
    const bool whole = first % 16 > 6 || pages % 3 != 0;
    const ByteCount size{pages * kPage - (whole ? 0 : in_.Byte() % kPage)};
    switch (first % 16) {
      case 0:
      case 1:
      case 2:
        return Take(
            "allocate", size, [&](auto& model) { return model.Allocate(PagesOf(size)); },
            [&] { return allocator_->Allocate(size); });
      case 3:
        return Take(
            "allocate without growth", size,
            [&](auto& model) { return model.AllocateNoGrow(PagesOf(size)); },
            [&] {
              return OsMemory::Reservation{OsStatus::Ok(), allocator_->AllocateNoGrow(size)};
            });
      case 4:
        return Take(
            "extend", size, [&](auto& model) { return model.Extend(PagesOf(size)); },
            [&] { return allocator_->Extend(size); });
      case 5:
      case 6: {
        const std::size_t align = std::size_t{1} << in_.Byte() % 6U;
        story_.Step("alignment in pages", {align});
        return Take(
            "allocate aligned", size,
            [&](auto& model) { return model.AllocateAligned(PagesOf(size), align); },
            [&] { return allocator_->AllocateAligned(size, ByteCount{align * kPage}); });
      }
      case 7:
        return MoveBreak(argument % 4 + 1);
      case 8:
        refuse_ = argument % 4 + 1;  // the k-th growth from now on
        story_.Step("refuse a growth", {refuse_});
        os_.FailCall(refuse_, testing::FaultyMemory::Repeat::kOnce);
        return;
      case 9: {
        const unsigned index = in_.Byte();  // before the place, whatever order a compiler likes
        return FreePart(index, in_.Byte());
      }
      case 10:
        return TooLarge(argument);
      case 11:
        for (std::size_t i = live_.size(); i-- > 0;) {
          if (i % (argument + 1) == 0) Free(i);
        }
        return;
      default:
        if (!live_.empty()) Free((argument * 8 + first % 16) % live_.size());
        return;
    }
  }

  /// @param ask  asks a model, and says where the block begins
  /// @param get  asks the allocator
  template <class Ask, class Get>
  void Take(const char* verb, ByteCount size, Ask&& ask, Get&& get) {
    story_.Step(verb, {size.raw});
    testing::SbrkMap after = *model_;
    const std::optional<std::size_t> expected = ask(after);
    const OsMemory::Reservation got = get();
    const bool refused = !os_.faults().empty() && refuse_ > 0;
    if (refused) {
      // Nothing happened, and there was a reason to ask the operating system.
      os_.NeverFail();
      refuse_ = 0;
      story_.Expect("a refusal without growth", after.bloc_max() != model_->bloc_max());
      story_.Expect("a block in spite of a refusal", got.begin == nullptr && !got.status.ok());
      return;
    }
    *model_ = std::move(after);
    story_.Expect("a block is found", got.begin != nullptr, expected.has_value());
    if (!expected) return;
    story_.Expect("page of the block", Page(got.begin), *expected);
    const std::size_t bytes = PagesOf(size) * kPage;
    story_.Expect("a block that is not zero", testing::IsZero(got.begin, bytes));
    std::memset(got.begin, std::to_integer<int>(kOurs), bytes);
    live_.push_back({got.begin, size});
  }

  void Free(std::size_t index) {
    const LiveBlock block = live_[index];
    live_[index] = live_.back();
    live_.pop_back();
    FreePages(block.begin, block.size);
  }

  void FreePages(std::byte* begin, ByteCount size) {
    const std::size_t pages = PagesOf(size);
    story_.Step("free (page, bytes)", {Page(begin), size.raw});
    story_.Expect("a live block was written", IsFilled(begin, pages * kPage, kOurs));
    allocator_->Free(begin, size);
    model_->Free(Page(begin), pages);
  }

  /// Whole pages out of a live block, which goes on as up to two.
  void FreePart(std::size_t index, std::size_t place) {
    if (live_.empty()) return;
    index %= live_.size();
    const LiveBlock block = live_[index];
    const std::size_t pages = PagesOf(block.size);
    const std::size_t first = place % pages;
    const std::size_t count = place / 16 % (pages - first) + 1;
    live_[index] = live_.back();
    live_.pop_back();
    if (first > 0) live_.push_back({block.begin, ByteCount{first * kPage}});
    if (first + count < pages) {
      live_.push_back(
          {block.begin + (first + count) * kPage, ByteCount{(pages - first - count) * kPage}});
    }
    FreePages(block.begin + first * kPage, ByteCount{count * kPage});
  }

  void MoveBreak(std::size_t pages) {
    story_.Step("somebody else moves the break", {pages});
    testing::SbrkMap after = *model_;
    const bool moves = after.MoveBreak(pages);
    std::byte* const begin = source_.MoveAsSomebodyElse(ByteCount{pages * kPage});
    if (!os_.faults().empty() && refuse_ > 0) {
      os_.NeverFail();
      refuse_ = 0;
      return;
    }
    *model_ = std::move(after);
    story_.Expect("the break moves", begin != nullptr, moves);
    if (begin == nullptr) return;
    std::memset(begin, std::to_integer<int>(kTheirs), pages * kPage);
    for (std::size_t i = 0; i < pages; ++i) others_.push_back(begin + i * kPage);
  }

  /// Sizes that no memory has; some do not fit a number when they are rounded up.
  void TooLarge(std::size_t how) {
    const ByteCount size{~std::uint64_t{0} - std::uint64_t{how % 4} * kPage};
    story_.Step("too much", {size.raw});
    const OsMemory::Reservation got =
        how < 8 ? allocator_->Allocate(size) : allocator_->AllocateAligned(size, ByteCount{4096});
    story_.Expect("a block larger than all memory", got.begin == nullptr && !got.status.ok());
    story_.Expect("a block larger than all memory, without growth",
                  allocator_->AllocateNoGrow(size) == nullptr);
  }

  /// Bounds, sums, every free block, and all invariants.
  void Compare() {
    const std::string& map = model_->map();
    story_.Expect("bloc", Page(allocator_->bloc()), model_->bloc());
    story_.Expect("bloc_max", Page(allocator_->bloc_max()), model_->bloc_max());
    const SbrkStats stats = allocator_->stats();
    story_.Expect("live bytes", stats.live.raw, model_->Count('#') * kPage);
    story_.Expect("free bytes", stats.free.raw, model_->Count('.') * kPage);
    story_.Expect("bytes in holes", stats.holes.raw, model_->Count('x') * kPage);
    std::size_t at = 0;  // in the map, behind the last free block
    allocator_->free_blocks().ForEach([&](const FreeBlocks::Node& block) {
      at = std::min(map.find('.', at), map.size());
      const std::size_t end = std::min(map.find_first_not_of('.', at), map.size());
      story_.Expect("first page of a free block", Page(block.begin()), at);
      story_.Expect("size of a free block", block.size, (end - at) * kPage);
      at = end;
    });
    story_.Expect("free blocks that are missing", map.find('.', at) == std::string::npos);
    story_.Check(checker_.Check(*allocator_, live_));
  }

  Story story_;
  ByteReader in_;
  testing::FakeMemory real_{ByteCount{kPage}};
  testing::FaultyMemory os_{real_};
  EmulatedBreak source_;
  std::optional<SbrkAllocator> allocator_;
  std::optional<testing::SbrkMap> model_;
  testing::SbrkChecker checker_;
  std::vector<LiveBlock> live_;
  std::vector<std::byte*> others_;
  std::size_t refuse_ = 0;
};

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pagealloc::fuzz::SbrkRun({bytes, std::min<std::size_t>(size, 256)}).RunAll();
  return 0;
}
