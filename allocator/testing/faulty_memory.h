/// faulty_memory.h: puts faults between a structure and its OsMemory, and sees what it keeps.
///
///   FaultyMemory os(real);
///   os.FailCall(3, Repeat::kOnce);       // the third call from now on is refused, unseen by
///   `real`
///   ... the operation under test ...
///   os.faults()                          // what was refused
///   os.mappings()                        // what is reserved, and how much of it is committed
///
/// Every call is counted by its kind. A call that is refused does not reach the memory behind and
/// changes no mapping. Address space whose return was refused is abandoned: nobody owns it any
/// more, it is not counted as held, and goes back when this object does. A call outside a mapping,
/// a page that is committed twice and a mapping that is returned in parts although something in it
/// is committed are contract breaks (neighbours may go back as one, and what was only reserved may
/// be cut); a mapping that is still there in the end is not: compare mappings(). One thread at a
/// time.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "pagealloc/os_memory.h"

namespace pagealloc::testing {

class FaultyMemory final : public OsMemory {
 public:
  enum class Repeat : std::uint8_t { kOnce, kForEver };

  /// A reservation and what of it is committed; its place does not matter when two are compared.
  struct Mapping {
    ByteCount size;
    ByteCount committed;
    friend constexpr auto operator<=>(Mapping, Mapping) = default;
  };

  /// @param os  does the work; outlives this
  explicit FaultyMemory(OsMemory& os) : os_(os) {}
  ~FaultyMemory() override;

  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return os_.page_size(); }
  [[nodiscard]] ByteCount huge_page_size() const override { return os_.huge_page_size(); }
  Reservation Reserve(ByteCount size, std::byte* at) override;
  OsStatus Commit(std::byte* begin, ByteCount size) override;
  OsStatus Release(std::byte* begin, ByteCount size) override;
  OsStatus Fault(std::byte* begin, ByteCount size) override;
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override;
  OsStatus CollapseHugePages(std::byte* begin, ByteCount size) override;
  OsStatus Unreserve(std::byte* begin, ByteCount size) override;

  /// Refuses the `nth` call from now on, 1 = the next one, of one kind or of all; with kForEver all
  /// later ones of that kind too. Forgets what was asked for before, and faults().
  void FailCall(std::uint64_t nth, Repeat repeat, int error_number = ENOMEM,
                std::optional<OsCall> kind = std::nullopt);
  void NeverFail() { nth_ = 0; }

  /// Calls of a kind, refused ones included.
  [[nodiscard]] std::uint64_t calls(OsCall kind) const {
    return calls_[static_cast<std::size_t>(kind)];
  }
  /// Calls that were refused here since FailCall(), in order.
  [[nodiscard]] const std::vector<OsStatus>& faults() const { return faults_; }

  /// What is held, by size: abandoned address space is left out.
  [[nodiscard]] std::vector<Mapping> mappings() const;
  /// Their sums.
  [[nodiscard]] MetadataStats held() const;

 private:
  static constexpr std::size_t kKinds = static_cast<std::size_t>(OsCall::kUnreserve) + 1;

  struct Pages {
    ByteCount size;
    ByteCount committed_bytes;
    std::vector<bool> committed;  // per page
  };
  using Held = std::map<std::uintptr_t, Pages>;  // by first address

  /// Counts a call; the refusal, if it is to be refused.
  std::optional<OsStatus> Refusal(OsCall kind, ByteCount size);
  /// Makes two mappings of one that goes on across `at`, if nothing of it is committed.
  void Cut(std::uintptr_t at);
  /// The mapping around a range and the range's first page in it.
  std::pair<Held::iterator, std::size_t> Locate(const std::byte* begin, ByteCount size);

  OsMemory& os_;
  Held held_;
  std::vector<std::pair<std::byte*, ByteCount>> abandoned_;
  std::array<std::uint64_t, kKinds> calls_{};
  std::uint64_t nth_ = 0;  // calls until the refusal, that one included; 0 = none
  Repeat repeat_ = Repeat::kOnce;
  int error_number_ = ENOMEM;
  std::optional<OsCall> kind_;
  std::vector<OsStatus> faults_;
};

}  // namespace pagealloc::testing
