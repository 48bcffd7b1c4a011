#include "testing/faulty_memory.h"

#include <algorithm>
#include <utility>

#include "pagealloc/contract.h"

namespace pagealloc::testing {
namespace {

std::uintptr_t Number(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); }

}  // namespace

FaultyMemory::~FaultyMemory() {
  for (const auto& [begin, size] : abandoned_) static_cast<void>(os_.Unreserve(begin, size));
}

void FaultyMemory::FailCall(std::uint64_t nth, Repeat repeat, int error_number,
                            std::optional<OsCall> kind) {
  PA_EXPECT(nth >= 1 && error_number != 0, nth, error_number);
  nth_ = nth;
  repeat_ = repeat;
  error_number_ = error_number;
  kind_ = kind;
  faults_.clear();
}

std::optional<OsStatus> FaultyMemory::Refusal(OsCall kind, ByteCount size) {
  ++calls_[static_cast<std::size_t>(kind)];
  if (nth_ == 0 || (kind_ && *kind_ != kind)) return std::nullopt;
  if (nth_ > 1) {
    --nth_;
    return std::nullopt;
  }
  if (repeat_ == Repeat::kOnce) nth_ = 0;
  return faults_.emplace_back(OsStatus{kind, error_number_, size});
}

std::pair<FaultyMemory::Held::iterator, std::size_t> FaultyMemory::Locate(const std::byte* begin,
                                                                          ByteCount size) {
  auto mapping = held_.upper_bound(Number(begin));
  PA_EXPECT(mapping != held_.begin(), Number(begin), size);
  --mapping;
  const std::uint64_t offset = Number(begin) - mapping->first;
  const std::uint64_t page = page_size().raw;
  PA_EXPECT(offset % page == 0 && size.raw > 0 && size.raw % page == 0 &&
                offset + size.raw <= mapping->second.size.raw,
            Number(begin), size);
  return {mapping, static_cast<std::size_t>(offset / page)};
}

void FaultyMemory::Cut(std::uintptr_t at) {
  auto mapping = held_.upper_bound(at);
  if (mapping == held_.begin()) return;
  --mapping;
  Pages& low = mapping->second;
  const std::uint64_t below = at - mapping->first;
  if (below == 0 || below >= low.size.raw || low.committed_bytes > ByteCount{0}) return;
  Pages high{low.size - ByteCount{below}, ByteCount{0}, {}};
  high.committed.resize(HostSize(high.size.raw / page_size().raw));
  low.size = ByteCount{below};
  low.committed.resize(HostSize(below / page_size().raw));
  held_.emplace(at, std::move(high));
}

OsMemory::Reservation FaultyMemory::Reserve(ByteCount size, std::byte* at) {
  if (const auto refusal = Refusal(OsCall::kReserve, size)) return {*refusal, nullptr};
  const Reservation got = os_.Reserve(size, at);
  if (got.status.ok()) {
    const auto pages = static_cast<std::size_t>(size.raw / page_size().raw);
    held_.emplace(Number(got.begin), Pages{size, ByteCount{0}, std::vector<bool>(pages, false)});
  }
  return got;
}

OsStatus FaultyMemory::Commit(std::byte* begin, ByteCount size) {
  const auto [mapping, first] = Locate(begin, size);
  if (const auto refusal = Refusal(OsCall::kCommit, size)) return *refusal;
  const OsStatus status = os_.Commit(begin, size);
  if (!status.ok()) return status;
  const auto at = mapping->second.committed.begin() + static_cast<std::ptrdiff_t>(first);
  const auto pages = static_cast<std::ptrdiff_t>(size.raw / page_size().raw);
  const bool committed_already = std::find(at, at + pages, true) != at + pages;
  PA_EXPECT(!committed_already, Number(begin), size);
  std::fill(at, at + pages, true);
  mapping->second.committed_bytes += size;
  return status;
}

OsStatus FaultyMemory::Release(std::byte* begin, ByteCount size) {
  static_cast<void>(Locate(begin, size));
  if (const auto refusal = Refusal(OsCall::kRelease, size)) return *refusal;
  return os_.Release(begin, size);
}

OsStatus FaultyMemory::Fault(std::byte* begin, ByteCount size) {
  const auto [mapping, first] = Locate(begin, size);
  if (const auto refusal = Refusal(OsCall::kFault, size)) return *refusal;
  const OsStatus status = os_.Fault(begin, size);
  if (!status.ok()) return status;
  const auto at = mapping->second.committed.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = at + static_cast<std::ptrdiff_t>(size.raw / page_size().raw);
  const auto lost = static_cast<std::uint64_t>(std::count(at, end, true));
  mapping->second.committed_bytes -= ByteCount{lost * page_size().raw};
  std::fill(at, end, false);
  return status;
}

OsStatus FaultyMemory::HintHugePages(std::byte* begin, ByteCount size, HugePages want) {
  static_cast<void>(Locate(begin, size));
  if (const auto refusal = Refusal(OsCall::kHugePages, size)) return *refusal;
  return os_.HintHugePages(begin, size, want);
}

OsStatus FaultyMemory::CollapseHugePages(std::byte* begin, ByteCount size) {
  static_cast<void>(Locate(begin, size));
  if (const auto refusal = Refusal(OsCall::kHugePages, size)) return *refusal;
  return os_.CollapseHugePages(begin, size);
}

OsStatus FaultyMemory::Unreserve(std::byte* begin, ByteCount size) {
  Cut(Number(begin));
  Cut(Number(begin + size.raw));
  const auto from = held_.find(Number(begin));
  auto to = from;
  ByteCount whole{0};
  while (to != held_.end() && whole < size && to->first == from->first + whole.raw) {
    whole += to->second.size;
    ++to;
  }
  PA_EXPECT(size.raw > 0 && whole == size, whole, size);
  const auto refusal = Refusal(OsCall::kUnreserve, size);
  held_.erase(from, to);
  if (!refusal) return os_.Unreserve(begin, size);
  abandoned_.emplace_back(begin, size);
  return *refusal;
}

std::vector<FaultyMemory::Mapping> FaultyMemory::mappings() const {
  std::vector<Mapping> list;
  for (const auto& [address, pages] : held_) {
    list.push_back({pages.size, pages.committed_bytes});
  }
  std::sort(list.begin(), list.end());
  return list;
}

MetadataStats FaultyMemory::held() const {
  MetadataStats sum;
  for (const Mapping& mapping : mappings()) {
    sum = sum + MetadataStats{mapping.size, mapping.committed};
  }
  return sum;
}

}  // namespace pagealloc::testing
