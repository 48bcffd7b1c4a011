/// fake_memory.h: an OsMemory inside the process, which watches its caller and can refuse.
///
/// Every page of every reservation has a state, so a commit of what is committed already, a call
/// outside a reservation and a reservation that is never returned are contract breaks. Fresh memory
/// is zero, and aligned to its size (to 64 MiB at most), so that whole arenas need no more than
/// they are. AddressSanitizer knows what is not committed and reports an access to it. FailAfter(n)
/// lets n more calls pass and refuses from then on (or once), which is how "a refusal leaves the
/// heap as it was" is tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "pagealloc/os_memory.h"

namespace pagealloc::testing {

class FakeMemory final : public OsMemory {
 public:
  explicit FakeMemory(ByteCount page_size = ByteCount{4096});
  /// Every reservation must have been returned (contract).
  ~FakeMemory() override;

  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return page_size_; }
  Reservation Reserve(ByteCount size, std::byte* at) override;
  OsStatus Commit(std::byte* begin, ByteCount size) override;
  [[nodiscard]] ByteCount huge_page_size() const override { return huge_page_size_; }
  OsStatus Release(std::byte* begin, ByteCount size) override;
  OsStatus ReleaseLazily(std::byte* begin, ByteCount size) override;
  OsStatus Fault(std::byte* begin, ByteCount size) override;
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override;
  OsStatus CollapseHugePages(std::byte* begin, ByteCount size) override;
  OsStatus Unreserve(std::byte* begin, ByteCount size) override;

  /// Lets `calls` more calls of Reserve and Commit pass; the next one is refused with ENOMEM, and
  /// all later ones too unless `once`.
  void FailAfter(std::uint64_t calls, bool once = false);
  void NeverFail() { fail_after_.reset(); }

  /// From now on releases are refused with this errno; 0: no more.
  void RefuseReleases(int error_number) { release_error_ = error_number; }
  /// From now on hints about huge pages and collapses are refused with this errno; 0: no more.
  void RefuseHugePages(int error_number) { huge_pages_error_ = error_number; }
  /// A hint about huge pages, or a collapse, that was not refused.
  struct HugePageCall {
    std::byte* begin;
    ByteCount size;
    HugePages want;
    bool collapse;
    friend bool operator==(const HugePageCall&, const HugePageCall&) = default;
  };
  [[nodiscard]] const std::vector<HugePageCall>& huge_page_calls() const { return huge_calls_; }
  void set_huge_page_size(ByteCount size) { huge_page_size_ = size; }

  [[nodiscard]] std::uint64_t calls() const { return calls_; }  ///< of Reserve and Commit
  [[nodiscard]] ByteCount reserved() const { return reserved_; }
  [[nodiscard]] ByteCount committed() const { return committed_; }

 private:
  static constexpr ByteCount kMaxAlignment{64u << 20};

  struct Block {
    std::byte* memory;            // what was allocated; `begin` inside is page aligned
    std::vector<bool> committed;  // per page
  };
  using Blocks = std::map<std::uintptr_t, Block>;  // by first address

  bool Refuse();
  /// The reservation around [begin, begin + size) and the index of its first page there.
  std::pair<Blocks::iterator, std::size_t> Locate(std::byte* begin, ByteCount size);

  ByteCount page_size_;
  ByteCount huge_page_size_;
  int release_error_ = 0;
  int huge_pages_error_ = 0;
  std::vector<HugePageCall> huge_calls_;
  Blocks blocks_;
  std::optional<std::uint64_t> fail_after_;
  bool fail_once_ = false;
  std::uint64_t calls_ = 0;
  ByteCount reserved_;
  ByteCount committed_;
};

}  // namespace pagealloc::testing
