/// mapped_memory.h: the operating system's memory, of which a test changes a call or two.
///
/// Real mappings behind every call; huge pages do not exist unless a test says so. As thread-safe
/// as MmapMemory.
#pragma once

#include <cstddef>

#include "pagealloc/os_memory.h"

namespace pagealloc::testing {

class MappedMemory : public OsMemory {
 public:
  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return os_.page_size(); }
  Reservation Reserve(ByteCount size, std::byte* at) override { return os_.Reserve(size, at); }
  OsStatus Commit(std::byte* begin, ByteCount size) override { return os_.Commit(begin, size); }
  OsStatus Release(std::byte* begin, ByteCount size) override { return os_.Release(begin, size); }
  OsStatus Fault(std::byte* begin, ByteCount size) override { return os_.Fault(begin, size); }
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override {
    return os_.HintHugePages(begin, size, want);
  }
  OsStatus Unreserve(std::byte* begin, ByteCount size) override {
    return os_.Unreserve(begin, size);
  }

 private:
  MmapMemory os_;
};

}  // namespace pagealloc::testing
