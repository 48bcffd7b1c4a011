#include "harness/recorder/recording.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "harness/recorder/raw_events.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {
namespace {

using recorder::RawKind;

/// RawEvent as plain data.
struct Event {
  std::uint64_t address;
  std::uint64_t bytes;
  std::uint32_t thread;
  RawKind kind;
};

template <class Value>
Value ValueAt(std::string_view bytes, std::size_t at) {
  Value value;
  std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

class Converter {
 public:
  explicit Converter(Recording& recording) : recording_(recording) {}

  void Add(const Event& event) {
    // Addresses that wrap are no memory; the sum below must not.
    if (event.bytes > ~event.address) return;
    const std::uint64_t end = event.address + event.bytes;
    switch (event.kind) {
      case RawKind::kAllocate: {
        // Its free was lost.
        if (const auto known = blocks_.find(event.address); known != blocks_.end()) {
          Free(known->second);
          blocks_.erase(known);
        }
        if (event.bytes > 0) blocks_[event.address] = Allocate(event.bytes, event.thread);
        break;
      }
      case RawKind::kFree: {
        const auto known = blocks_.find(event.address);
        if (known == blocks_.end()) {
          ++recording_.unknown_frees;
          break;
        }
        threads_.insert(event.thread);
        Free(known->second);
        blocks_.erase(known);
        break;
      }
      case RawKind::kMap:
        Unmap(event.address, end, event.thread);
        Map(event.address, end, event.thread);
        break;
      case RawKind::kUnmap:
        Unmap(event.address, end, event.thread);
        break;
      case RawKind::kRemapFrom:
        moving_[event.thread] = Unmap(event.address, end, event.thread);
        break;
      case RawKind::kRemapTo:
        if (moving_[event.thread]) {
          Unmap(event.address, end, event.thread);
          Map(event.address, end, event.thread);
        }
        moving_[event.thread] = false;
        break;
      case RawKind::kNone:
        break;
    }
  }

  void Finish() {
    recording_.trace.id_count = next_id_;
    recording_.threads = threads_.size();
  }

 private:
  struct Mapping {
    std::uint64_t end;
    std::uint32_t id;
  };

  std::uint32_t Allocate(std::uint64_t bytes, std::uint32_t thread) {
    const std::uint64_t page = std::uint64_t{1} << kPageBits;
    const PageCount pages{bytes / page + (bytes % page != 0 ? 1 : 0)};
    recording_.trace.ops.push_back(Op::Allocate(next_id_, pages, thread));
    ++recording_.allocations;
    threads_.insert(thread);
    return next_id_++;
  }
  void Free(std::uint32_t id) { recording_.trace.ops.push_back(Op::Free(id)); }

  void Map(std::uint64_t begin, std::uint64_t end, std::uint32_t thread) {
    if (begin < end) mappings_[begin] = {end, Allocate(end - begin, thread)};
  }

  /// Whether anything known was there.
  bool Unmap(std::uint64_t begin, std::uint64_t end, std::uint32_t thread) {
    auto at = mappings_.upper_bound(begin);
    if (at != mappings_.begin() && std::prev(at)->second.end > begin) --at;
    bool any = false;
    while (at != mappings_.end() && at->first < end) {
      const std::uint64_t first = at->first;
      const Mapping mapping = at->second;
      at = mappings_.erase(at);
      Free(mapping.id);
      Map(first, std::min(begin, mapping.end), thread);
      Map(std::max(end, first), mapping.end, thread);
      any = true;
    }
    return any;
  }

  Recording& recording_;
  std::unordered_map<std::uint64_t, std::uint32_t> blocks_;  ///< of malloc: address to ID
  std::map<std::uint64_t, Mapping> mappings_;                ///< by where they begin
  std::unordered_map<std::uint32_t, bool> moving_;           ///< by thread: mremap of what is known
  std::set<std::uint32_t> threads_;
  std::uint32_t next_id_ = 0;
};

}  // namespace

std::optional<Recording> ReadRecording(std::string_view file) {
  using recorder::RawEvent;
  using recorder::RawHeader;
  if (file.size() < sizeof(RawHeader)) return std::nullopt;
  if (ValueAt<std::uint64_t>(file, offsetof(RawHeader, magic)) != recorder::kMagic) {
    return std::nullopt;
  }
  Recording recording;
  const std::string_view name =
      file.substr(offsetof(RawHeader, program), sizeof(RawHeader::program));
  recording.program = name.substr(0, std::min(name.find('\0'), name.size()));
  recording.lost = ValueAt<std::uint64_t>(file, offsetof(RawHeader, lost));
  const auto taken = ValueAt<std::uint64_t>(file, offsetof(RawHeader, taken));
  file.remove_prefix(std::min(file.size(), recorder::kHeaderBytes));
  const std::uint64_t events = std::min<std::uint64_t>(taken, file.size() / sizeof(RawEvent));
  Converter converter(recording);
  for (std::uint64_t i = 0; i < events; ++i) {
    const std::size_t at = i * sizeof(RawEvent);
    converter.Add({ValueAt<std::uint64_t>(file, at + offsetof(RawEvent, address)),
                   ValueAt<std::uint64_t>(file, at + offsetof(RawEvent, bytes)),
                   ValueAt<std::uint32_t>(file, at + offsetof(RawEvent, thread)),
                   ValueAt<RawKind>(file, at + offsetof(RawEvent, kind))});
  }
  converter.Finish();
  return recording;
}

}  // namespace pagealloc::bench
