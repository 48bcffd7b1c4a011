/// id_table.h: numbers the IDs of a trace in order of first appearance.
///
/// Open addressing over a table of numbers; an ID's characters stay where they are, in the trace's
/// text, of which only the place is kept: 8 bytes an ID, and 4 a slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "pagealloc/contract.h"

namespace pagealloc::bench {

class IdTable {
 public:
  /// @param text  outlives the table and does not move. Every ID is a part of it and is followed
  ///              there by a character that no ID holds.
  explicit IdTable(std::string_view text) : text_(text), slots_(kFirstSlots, kEmpty) {}

  /// The number of an ID: its old one if the same characters were seen before.
  std::uint32_t NumberOf(std::string_view id) {
    const auto place = static_cast<std::size_t>(id.data() - text_.data());
    PA_ASSERT(place + id.size() < text_.size(), place);
    const std::uint32_t hash = HashOf(id);
    const std::size_t last_slot = slots_.size() - 1;
    std::size_t slot = hash & last_slot;
    for (; slots_[slot] != kEmpty; slot = (slot + 1) & last_slot) {
      const Entry& entry = entries_[slots_[slot]];
      // The character after it tells `a1` from the first half of `a12`.
      if (entry.hash == hash && text_.substr(entry.place, id.size()) == id &&
          text_[entry.place + id.size()] <= ' ') {
        return slots_[slot];
      }
    }
    const auto number = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({static_cast<std::uint32_t>(place), hash});
    slots_[slot] = number;
    if (entries_.size() * 4 > slots_.size() * 3) Grow();
    return number;
  }

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }

 private:
  struct Entry {
    std::uint32_t place;
    std::uint32_t hash;
  };
  static constexpr std::size_t kFirstSlots = 1024;
  static constexpr std::uint32_t kEmpty = 0xffff'ffff;

  /// Near numbers written in decimal are the usual IDs, so the low bits must depend on all bytes.
  static std::uint32_t HashOf(std::string_view id) {
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
    for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return static_cast<std::uint32_t>((hash * 0x9e3779b97f4a7c15) >> 32);
  }

  void Grow() {
    std::vector<std::uint32_t>(slots_.size() * 2, kEmpty).swap(slots_);
    const std::size_t last_slot = slots_.size() - 1;
    for (std::uint32_t number = 0; number < entries_.size(); ++number) {
      std::size_t slot = entries_[number].hash & last_slot;
      while (slots_[slot] != kEmpty) slot = (slot + 1) & last_slot;
      slots_[slot] = number;
    }
  }

  std::string_view text_;
  std::vector<std::uint32_t> slots_;
  std::vector<Entry> entries_;
};

}  // namespace pagealloc::bench
