#include "fuzz/decode_ops.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace pagealloc::fuzz {
namespace {

using enum FuzzOpKind;

/// Kind of each low half of a byte: allocating and freeing are the bulk of a program.
constexpr std::array<FuzzOpKind, 16> kKindOf{
    kAllocate,      kFree,         kGrow,     kFind,       kAllocate,      kFreePart,
    kAllocateRange, kFreeRange,    kAllocate, kTakeCache,  kCacheAllocate, kFlushCache,
    kFree,          kAllocateMany, kFreeMany, kReturnBlock};

constexpr std::array<std::uint64_t, 8> kGaps{0, 1, 7, 8, 9, 600, 8192, 1u << 20};
constexpr std::array<std::uint64_t, 16> kGrowths{1, 1, 2,  3,  4,  5,  6,  7,
                                                 8, 9, 12, 16, 17, 32, 63, 0};

constexpr std::array<SizeRule, 59> kSizes{{
    {SizeBase::kNothing, 1},     {SizeBase::kNothing, 2},     {SizeBase::kNothing, 3},
    {SizeBase::kNothing, 4},     {SizeBase::kNothing, 8},     {SizeBase::kNothing, 16},
    {SizeBase::kNothing, 63},    {SizeBase::kNothing, 64},    {SizeBase::kNothing, 65},
    {SizeBase::kNothing, 127},   {SizeBase::kNothing, 128},   {SizeBase::kNothing, 129},
    {SizeBase::kChunk, -1},      {SizeBase::kChunk, 0},       {SizeBase::kLongest, 0},
    {SizeBase::kChunk, 1},       {SizeBase::kChunk, 2},       {SizeBase::kChunk, 3},
    {SizeBase::kChunk, -2},      {SizeBase::kChunk, -3},      {SizeBase::kChunk, 63},
    {SizeBase::kChunk, 64},      {SizeBase::kChunk, 65},      {SizeBase::kTwoChunks, -1},
    {SizeBase::kTwoChunks, 0},   {SizeBase::kTwoChunks, 1},   {SizeBase::kBlock, -1},
    {SizeBase::kBlock, 0},       {SizeBase::kBlock, 1},       {SizeBase::kBlock, 5},
    {SizeBase::kRoot, -1},       {SizeBase::kRoot, 0},        {SizeBase::kRoot, 1},
    {SizeBase::kRoot, 64},       {SizeBase::kHeap, -1},       {SizeBase::kHeap, 0},
    {SizeBase::kHeap, 1},        {SizeBase::kFree, -1},       {SizeBase::kFree, 0},
    {SizeBase::kFree, 1},        {SizeBase::kLongest, -1},    {SizeBase::kLongest, 1},
    {SizeBase::kLongest, -2},    {SizeBase::kNothing, 5},     {SizeBase::kNothing, 7},
    {SizeBase::kNothing, 31},    {SizeBase::kNothing, 32},    {SizeBase::kNothing, 33},
    {SizeBase::kNothing, 62},    {SizeBase::kNothing, 66},    {SizeBase::kNothing, 100},
    {SizeBase::kNothing, 191},   {SizeBase::kNothing, 192},   {SizeBase::kNothing, 193},
    {SizeBase::kNothing, 32766}, {SizeBase::kNothing, 32767}, {SizeBase::kNothing, 32768},
    {SizeBase::kNothing, 32769}, {SizeBase::kNothing, 65536},
}};

/// The argument in the high half of an operation's first byte; 15 continues in the next one.
std::uint8_t Argument(std::uint8_t first, ByteReader& in) {
  const unsigned high = first >> 4U;
  return high < 15 ? static_cast<std::uint8_t>(high) : static_cast<std::uint8_t>(15U + in.Byte());
}

FuzzOp DecodeOp(ByteReader& in) {
  const std::uint8_t first = in.Byte();
  FuzzOp op{kKindOf[first & 15U]};
  switch (op.kind) {
    case kAllocate:
    case kFind:
      op.size = Argument(first, in);
      break;
    case kFree:
    case kTakeCache:
    case kFlushCache:
      op.index = Argument(first, in);
      break;
    case kGrow:
      op.size = static_cast<std::uint8_t>(first >> 4U);
      op.index = in.Byte();
      break;
    case kFreePart:
      op.index = Argument(first, in);
      op.place = in.TwoBytes();
      break;
    case kAllocateRange:
    case kFreeRange:
      op.size = Argument(first, in);
      op.place = in.TwoBytes();
      break;
    case kCacheAllocate:
      op.index = static_cast<std::uint8_t>(first >> 4U & 3U);
      op.size = static_cast<std::uint8_t>(first >> 6U);  // 1 to 3 pages, or what the next byte says
      if (op.size == 3) op.size = in.Byte();
      break;
    case kAllocateMany:
      op.size = Argument(first, in);
      op.index = in.Byte();
      break;
    case kFreeMany:
      op.index = Argument(first, in);
      break;
    case kReturnBlock:
      op.index = Argument(first, in);
      op.size = in.Byte();
      op.place = in.TwoBytes();
      break;
  }
  return op;
}

}  // namespace

FuzzProgram DecodeOps(std::span<const std::uint8_t> bytes) {
  ByteReader in(bytes);
  FuzzProgram program;
  program.heap_start = in.Byte();
  const unsigned off = in.TwoBytes();
  const unsigned how = in.Byte();
  program.check_every = std::array<std::size_t, 4>{1, 4, 16, 0}[how & 3U];
  program.tiny_pair = static_cast<std::uint8_t>(how >> 2U & 3U);
  program.shipped = static_cast<std::uint8_t>(how >> 4U & 7U);
  program.first_growth = how >> 7U == 0 ? 1 : 8;
  program.ops.reserve(std::min(bytes.size(), kMaxFuzzOps));
  while (!in.empty() && program.ops.size() < kMaxFuzzOps) {
    const FuzzOp op = DecodeOp(in);
    if ((off >> static_cast<unsigned>(op.kind) & 1U) == 0) program.ops.push_back(op);
  }
  return program;
}

std::vector<std::uint8_t> EncodeOps(const FuzzProgram& program) {
  const auto byte = [](std::size_t n) { return static_cast<std::uint8_t>(n & 255U); };
  const unsigned check = program.check_every == 1    ? 0
                         : program.check_every == 4  ? 1
                         : program.check_every == 16 ? 2
                                                     : 3;
  std::vector<std::uint8_t> bytes{
      program.heap_start, 0, 0,
      byte(check | unsigned{program.tiny_pair} << 2U | unsigned{program.shipped} << 4U |
           (program.first_growth == 1 ? 0U : 128U))};
  for (const FuzzOp& op : program.ops) {
    const auto kind =
        static_cast<unsigned>(std::find(kKindOf.begin(), kKindOf.end(), op.kind) - kKindOf.begin());
    const auto add = [&](unsigned argument, std::initializer_list<std::size_t> rest) {
      bytes.push_back(byte(kind | std::min(argument, 15U) << 4U));
      if (argument >= 15) bytes.push_back(byte(argument - 15));
      for (const std::size_t more : rest) bytes.push_back(byte(more));
    };
    const std::size_t high = op.place / 256U;
    switch (op.kind) {
      case kAllocate:
      case kFind:
        add(op.size, {});
        break;
      case kFree:
      case kTakeCache:
      case kFlushCache:
      case kFreeMany:
        add(op.index, {});
        break;
      case kGrow:
        bytes.push_back(byte(kind | unsigned{op.size} << 4U));
        bytes.push_back(op.index);
        break;
      case kFreePart:
        add(op.index, {op.place, high});
        break;
      case kAllocateRange:
      case kFreeRange:
        add(op.size, {op.place, high});
        break;
      case kCacheAllocate: {
        const unsigned size = std::min<unsigned>(op.size, 3);
        bytes.push_back(byte(kind | unsigned{op.index} << 4U | size << 6U));
        if (size == 3) bytes.push_back(op.size);
        break;
      }
      case kAllocateMany:
        add(op.size, {op.index});
        break;
      case kReturnBlock:
        add(op.index, {op.size, op.place, high});
        break;
    }
  }
  return bytes;
}

SizeRule SizeOf(std::uint8_t code) { return kSizes[code % kSizes.size()]; }

std::uint64_t GrowthOf(std::uint8_t code) { return kGrowths[code % kGrowths.size()]; }

std::uint64_t GapOf(std::uint8_t code) { return kGaps[code % kGaps.size()]; }

std::uint64_t PatternOf(std::uint8_t code) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  switch (code) {
    case 0:
      return kAll;
    case 1:
      return 0;
    case 2:
      return 0x5555'5555'5555'5555;
    case 3:
      return kAll >> 32;
    case 4:
      return kAll << 32;
    case 5:
      return kAll >> 1;
    case 6:
      return kAll << 1;
    case 7:
      return 0x8000'0000'0000'0001;
    default:
      break;
  }
  if (code < 72) return std::uint64_t{1} << (code - 8);  // each single page
  if (code < 136) return kAll << (code - 72);            // all from each page on
  // Scattered: a multiplication spreads the code's bits over the word.
  return (code + std::uint64_t{1}) * 0x9e37'79b9'7f4a'7c15;
}

}  // namespace pagealloc::fuzz
