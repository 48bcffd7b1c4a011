#include "testing/sbrk_map.h"

#include <algorithm>

namespace pagealloc::testing {

std::optional<std::size_t> SbrkMap::AllocateNoGrow(std::size_t pages) {
  for (std::size_t begin = 0; begin < map_.size(); ++begin) {
    std::size_t end = begin;
    while (end < map_.size() && map_[end] == '.') ++end;
    if (end - begin >= pages) {
      std::fill_n(map_.begin() + static_cast<std::ptrdiff_t>(end - pages), pages, '#');
      return end - pages;
    }
    begin = end;
  }
  return std::nullopt;
}

std::optional<std::size_t> SbrkMap::Allocate(std::size_t pages) {
  const std::optional<std::size_t> found = AllocateNoGrow(pages);
  return found ? found : Extend(pages);
}

std::optional<std::size_t> SbrkMap::AllocateAligned(std::size_t pages, std::size_t align) {
  for (std::size_t at = AlignUp(0, align); at + pages <= map_.size(); at += align) {
    const std::size_t begin = map_.find_first_not_of('.', at);
    if (begin != std::string::npos && begin < at + pages) continue;
    std::fill_n(map_.begin() + static_cast<std::ptrdiff_t>(at), pages, '#');
    return at;
  }
  return ExtendAligned(pages, align);
}

std::optional<std::size_t> SbrkMap::ExtendAligned(std::size_t pages, std::size_t align) {
  std::size_t at = AlignUp(map_.size(), align);
  if (at + pages > top_) {
    const bool moved = break_ != top_;
    if (moved) at = AlignUp(break_, align);
    if (at + pages > limit_) return std::nullopt;
    if (moved) {
      map_.resize(top_, '.');
      map_.resize(break_, 'x');
    }
    top_ = break_ = at + pages;
  }
  map_.resize(at, '.');
  map_.append(pages, '#');
  return at;
}

void SbrkMap::Free(std::size_t first, std::size_t pages) {
  std::fill_n(map_.begin() + static_cast<std::ptrdiff_t>(first), pages, '.');
  if (first + pages != map_.size()) return;
  while (!map_.empty() && map_.back() == '.') map_.pop_back();
}

bool SbrkMap::MoveBreak(std::size_t pages) {
  if (break_ + pages > limit_) return false;
  break_ += pages;
  return true;
}

std::size_t SbrkMap::Count(char kind) const {
  return static_cast<std::size_t>(std::count(map_.begin(), map_.end(), kind));
}

std::size_t SbrkMap::AlignUp(std::size_t page, std::size_t align) const {
  const std::size_t absolute = first_page_ + page;
  return (absolute + align - 1) / align * align - first_page_;
}

}  // namespace pagealloc::testing
