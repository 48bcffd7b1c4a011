/// decode_ops.h: any bytes, read as a program of page-allocator operations.
///
/// Every input is a program, so none is spent on syntax, and a byte changed, added or removed is a
/// program that differs a little. A header of four bytes (absent ones are 0), then operations of
/// one to five bytes:
///
///   byte 0     where the heap starts
///   byte 1, 2  operations that are off, a bit for each FuzzOpKind ("swarm": an input without
///              frees fills the heap, one without growth finds its end)
///   byte 3     bits 0-1  how often everything is checked: every 1, 4, 16 operations; at the end
///              bits 2-3  which two tiny layouts
///              bits 4-6  which shipped layout runs it, too (page_alloc_fuzz.cc)
///              bit  7    the heap starts with 1 chunk or with 8
///
///   operation  low 4 bits of the first byte: kind; high 4 bits: the most frequent argument, 15
///              where it continues in the next byte
///
/// Decoding knows no layout: sizes and places are codes, which the interpreter
/// (page_alloc_program.h) reads against the heap as it then is. What cannot run there is skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pagealloc::fuzz {

/// Reads bytes from the front; past the end all bytes are 0.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  std::uint8_t Byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  std::uint16_t TwoBytes() {
    const unsigned low = Byte();
    return static_cast<std::uint16_t>(low | static_cast<unsigned>(Byte()) << 8);
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

enum class FuzzOpKind : std::uint8_t {
  kGrow,           ///< index: gap, direction, refused call; size: a growth code
  kAllocate,       ///< size
  kFree,           ///< index: which live run
  kFreePart,       ///< index: which live run; place: which part of it
  kAllocateRange,  ///< place, size
  kFreeRange,      ///< place, size; whoever holds the pages
  kTakeCache,      ///< index: into which cache
  kCacheAllocate,  ///< index: from which cache; size
  kFlushCache,     ///< index: which cache
  kFind,           ///< size
  kAllocateMany,   ///< size; index: how often
  kFreeMany,       ///< index: every how many-th live run; every third index: as a batch
  kReturnBlock,    ///< place; index, size: patterns of the pages and of the scavenged ones
};
inline constexpr unsigned kFuzzOpKinds = 13;

struct FuzzOp {
  FuzzOpKind kind;
  std::uint8_t size = 0;
  std::uint8_t index = 0;
  std::uint16_t place = 0;

  friend bool operator==(const FuzzOp&, const FuzzOp&) = default;
};

struct FuzzProgram {
  std::uint8_t heap_start = 0;
  std::uint8_t tiny_pair = 0;     ///< 0 .. 3
  std::uint8_t shipped = 0;       ///< 0 .. 7
  std::uint8_t first_growth = 1;  ///< chunks
  std::size_t check_every = 0;    ///< operations between full checks; 0: only at the end
  std::vector<FuzzOp> ops;

  friend bool operator==(const FuzzProgram&, const FuzzProgram&) = default;
};

/// Operations beyond this many are ignored, so that no input takes long.
inline constexpr std::size_t kMaxFuzzOps = 2000;

[[nodiscard]] FuzzProgram DecodeOps(std::span<const std::uint8_t> bytes);
/// The inverse: bytes that are this program. Its values must be such as DecodeOps() gives.
[[nodiscard]] std::vector<std::uint8_t> EncodeOps(const FuzzProgram& program);

/// A size is a base, known only when the operation runs, and a few pages more or less.
enum class SizeBase : std::uint8_t {
  kNothing,  ///< 0
  kChunk,    ///< a chunk
  kTwoChunks,
  kBlock,    ///< a leaf block: what an entry of the last level but one covers
  kRoot,     ///< what a root entry covers
  kHeap,     ///< all pages of the heap
  kFree,     ///< all free pages
  kLongest,  ///< the longest free run
};
struct SizeRule {
  SizeBase base;
  std::int64_t add;
};
/// Biased to borders, also of what the index can tell of a run; codes 0 .. 14 are the frequent
/// ones, which an operation holds in its first byte.
[[nodiscard]] SizeRule SizeOf(std::uint8_t code);

/// Chunks to grow by, from a code; 0 stands for a whole root entry.
[[nodiscard]] std::uint64_t GrowthOf(std::uint8_t code);

/// Chunks left out between the heap and its growth, from a code: none; around a block of entries;
/// more than an operating-system page of leaves (600), a block of the chunk map (8192), a root
/// entry and a block of the chunk map many times over (2^20). What does not fit is cut.
[[nodiscard]] std::uint64_t GapOf(std::uint8_t code);

/// A word of 64 pages from a code: all, none, single bits, borders, and scattered ones.
[[nodiscard]] std::uint64_t PatternOf(std::uint8_t code);

}  // namespace pagealloc::fuzz
