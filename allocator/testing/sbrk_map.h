/// sbrk_map.h: the model of the sbrk allocator: one character a page, and linear searches.
///
///   ##..#xx#....#     # live   . free   x somebody else's; bloc is the end
///
/// Pages are counted from the allocator's first page. It shares no code with the library and knows
/// two rules: the lowest free run that fits gives its high end, and what is free below bloc is cut
/// off. The break, its limit and whoever else moves it are modelled too. One thread at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace pagealloc::testing {

class SbrkMap {
 public:
  /// @param first_page  number of the first page from address 0, for alignments
  /// @param spare       pages below the break at the start; `limit` of them may ever exist
  SbrkMap(std::size_t first_page, std::size_t spare, std::size_t limit)
      : first_page_(first_page), top_(spare), break_(spare), limit_(limit) {}

  /// First page of what is taken; nullopt if there is no room.
  std::optional<std::size_t> AllocateNoGrow(std::size_t pages);
  std::optional<std::size_t> Extend(std::size_t pages) { return ExtendAligned(pages, 1); }
  std::optional<std::size_t> Allocate(std::size_t pages);
  std::optional<std::size_t> AllocateAligned(std::size_t pages, std::size_t align);
  void Free(std::size_t first, std::size_t pages);
  /// Somebody else moves the break; false at the limit.
  bool MoveBreak(std::size_t pages);

  [[nodiscard]] const std::string& map() const { return map_; }
  [[nodiscard]] std::size_t bloc() const { return map_.size(); }
  [[nodiscard]] std::size_t bloc_max() const { return top_; }
  [[nodiscard]] std::size_t Count(char kind) const;

 private:
  std::optional<std::size_t> ExtendAligned(std::size_t pages, std::size_t align);
  [[nodiscard]] std::size_t AlignUp(std::size_t page, std::size_t align) const;

  std::size_t first_page_;
  std::string map_;    // up to bloc
  std::size_t top_;    // highest break that was ours
  std::size_t break_;  // where it is
  std::size_t limit_;
};

}  // namespace pagealloc::testing
