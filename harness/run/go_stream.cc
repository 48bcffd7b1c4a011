#include "harness/run/go_stream.h"

#include <cstring>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/trace/op.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kRequestMagic = 0x7165'722d'6567'6170;  // "page-req"
constexpr std::uint64_t kAnswerMagic = 0x736e'612d'6567'6170;   // "page-ans"
constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

/// An operation as the program reads it.
struct WireOp {
  std::uint32_t kind = 0, id = 0;
  std::uint64_t at = 0, count = 0, mask = 0;
};
static_assert(sizeof(WireOp) == 32);
// The program counts with these numbers.
static_assert(static_cast<int>(OpKind::kGrow) == 0 && static_cast<int>(OpKind::kAllocate) == 1 &&
              static_cast<int>(OpKind::kFree) == 2 &&
              static_cast<int>(OpKind::kAllocateRange) == 3 &&
              static_cast<int>(OpKind::kFreeRange) == 4 &&
              static_cast<int>(OpKind::kTakeCache) == 5 &&
              static_cast<int>(OpKind::kReturnCache) == 6 && static_cast<int>(OpKind::kFind) == 9);
static_assert(sizeof(Outcome) == 24 && std::is_trivially_copyable_v<Outcome>);

template <class Item>
void Append(std::string& text, const Item& item) {
  static_assert(std::is_trivially_copyable_v<Item>);
  text.append(reinterpret_cast<const char*>(&item), sizeof(item));
}

/// Takes items off the front of a text; remembers when there were too few.
class Taker {
 public:
  explicit Taker(std::string_view text) : rest_(text) {}

  template <class Item>
  void Take(std::vector<Item>& items, std::size_t count) {
    if (rest_.size() / sizeof(Item) < count) {
      short_ = true;
      return;
    }
    items.resize(count);
    if (count > 0) std::memcpy(items.data(), rest_.data(), count * sizeof(Item));
    rest_.remove_prefix(count * sizeof(Item));
  }
  std::uint64_t Word() {
    std::vector<std::uint64_t> word;
    Take(word, 1);
    return word.empty() ? 0 : word.front();
  }
  GoPass Pass() {
    GoPass pass;
    pass.result_hash = Word();
    const std::uint64_t lost = Word();
    if (lost != kUnknown) pass.costs.lost_ns = static_cast<double>(lost);
    pass.costs.nivcsw = Word();
    pass.costs.minor_faults = Word();
    pass.rss_bytes = Word();
    return pass;
  }
  [[nodiscard]] bool whole() const { return !short_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool short_ = false;
};

}  // namespace

std::string EncodeGoRequest(const GoRequest& request) {
  const Program& program = request.program;
  const std::uint64_t passes = (request.check ? 1U : 0U) | (request.time_batches ? 2U : 0U) |
                               (request.time_ops ? 4U : 0U) | (request.each_locked ? 8U : 0U);
  std::string text;
  text.reserve(program.ops.size() * sizeof(WireOp) + request.batches.size() * 8 + 128);
  for (const std::uint64_t word : std::initializer_list<std::uint64_t>{
           kRequestMagic, kGoStreamVersion, request.heap_base.raw, request.heap_pages.raw,
           program.chunk_pages.raw, program.explicit_growth ? 1U : 0U, program.id_count,
           program.ops.size(), program.measured_from, request.batches.size(), passes,
           request.clock == ClockSource::kTsc ? 1U : 0U}) {
    Append(text, word);
  }
  for (const Op& op : program.ops) {
    Append(text,
           WireOp{static_cast<std::uint32_t>(op.kind), op.id, op.at.raw, op.count.raw, op.mask});
  }
  for (const Batch& batch : request.batches) Append(text, batch.end);
  return text;
}

absl::StatusOr<GoAnswer> DecodeGoAnswer(const GoRequest& request, std::string_view text) {
  Taker in(text);
  const std::uint64_t magic = in.Word();
  const std::uint64_t version = in.Word();
  if (magic != kAnswerMagic || version != kGoStreamVersion) {
    return absl::InternalError("the Go program's answer is none of ours");
  }
  const std::size_t ops = request.program.ops.size();
  const std::size_t measured = ops - request.program.measured_from;
  GoAnswer answer;
  if (request.check) {
    answer.checked_hash = in.Word();
    answer.metadata_bytes = in.Word();
    in.Take(answer.outcomes, ops);
  }
  if (request.time_batches) {
    answer.batches = in.Pass();
    in.Take(answer.batch_ticks, request.batches.size());
    in.Take(answer.idle_batch_ticks, request.batches.size());
  }
  if (request.time_ops) {
    answer.ops = in.Pass();
    in.Take(answer.op_ticks, measured);
    in.Take(answer.idle_op_ticks, measured);
  }
  if (!in.whole()) return absl::InternalError("the Go program's answer has another length");
  return answer;
}

}  // namespace pagealloc::bench
