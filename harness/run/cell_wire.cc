#include "harness/run/cell_wire.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "harness/run/wire_text.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

template <class Enum>
Enum ReadEnum(WireReader& in, std::string_view key, Enum last) {
  return static_cast<Enum>(in.Below(key, static_cast<std::uint64_t>(last) + 1));
}

// Repeated parts are announced by their number; a damaged number must not become a loop without
// end.
constexpr std::uint64_t kMostRepeats = 1'000;
constexpr std::uint64_t kMostCpus = 1U << 20;
constexpr int kLengthDigits = 10;  // of the text in front of a program

void WriteWorkload(WireWriter& out, const WorkloadRequest& workload) {
  out.Text("workload", workload.name);
  out.Number("params", workload.params.size());
  for (const auto& [key, value] : workload.params) {
    out.Text("key", key);
    out.Text("value", value);
  }
  out.Number("heap", workload.heap.raw);
  out.Number("ops", workload.ops);
  out.Number("seed", workload.seed);
  out.Number("smoke", workload.smoke ? 1 : 0);
}

WorkloadRequest ReadWorkload(WireReader& in) {
  WorkloadRequest workload;
  workload.name = in.Text("workload");
  const std::uint64_t params = in.Below("params", kMostRepeats);
  for (std::uint64_t i = 0; i < params; ++i) {
    std::string key = in.Text("key");
    workload.params[std::move(key)] = in.Text("value");
  }
  workload.heap = ByteCount{in.Number("heap")};
  workload.ops = in.Number("ops");
  workload.seed = in.Number("seed");
  workload.smoke = in.Flag("smoke");
  return workload;
}

void WriteOptions(WireWriter& out, const CellOptions& options) {
  out.Text("allocator", options.allocator);
  out.Text("layout", options.layout);
  out.Number("caches", options.caches);
  out.Number("threads", options.threads);
  out.Number("memory", static_cast<std::uint64_t>(options.memory));
  out.Number("place_exact", options.place_exact ? 1 : 0);
  out.Number("prefault", options.prefault ? 1 : 0);
  out.Number("huge_pages", static_cast<std::uint64_t>(options.huge_pages));
  out.Number("pinned", options.cpu ? 1 : 0);
  if (options.cpu) out.Number("cpu", *options.cpu);
  out.Number("time_batches", options.time_batches ? 1 : 0);
  out.Number("time_ops", options.time_ops ? 1 : 0);
  out.Number("open_loop", options.open_loop ? 1 : 0);
  if (options.open_loop) {
    out.Real("ops_per_s", options.open_loop->ops_per_s);
    out.Number("arrival", static_cast<std::uint64_t>(options.open_loop->arrival));
    out.Number("arrival_seed", options.open_loop->seed);
  }
  out.Number("batch", options.batch);
  out.Number("slowdown_percent", options.slowdown_percent);
  out.Number("batches_by_kind", options.batches_by_kind ? 1 : 0);
  out.Number("heap_pages", options.heap_pages.raw);
  out.Number("clock", static_cast<std::uint64_t>(options.clock.source));
  out.Real("ns_per_tick", options.clock.ns_per_tick);
  out.Real("step_ns", options.clock.step_ns);
  out.Real("pair_ns", options.clock.pair_ns);
  out.Real("empty_ns", options.clock.empty_ns);
}

CellOptions ReadOptions(WireReader& in) {
  CellOptions options;
  options.allocator = in.Text("allocator");
  options.layout = in.Text("layout");
  options.caches = static_cast<unsigned>(in.Below("caches", kMostCpus));
  options.threads = static_cast<unsigned>(in.Below("threads", kMostCpus));
  options.memory = ReadEnum(in, "memory", HeapMemory::kTouch);
  options.place_exact = in.Flag("place_exact");
  options.prefault = in.Flag("prefault");
  options.huge_pages = ReadEnum(in, "huge_pages", HugePageMode::kAlways);
  if (in.Flag("pinned")) options.cpu = static_cast<unsigned>(in.Below("cpu", kMostCpus));
  options.time_batches = in.Flag("time_batches");
  options.time_ops = in.Flag("time_ops");
  if (in.Flag("open_loop")) {
    OpenLoop& loop = options.open_loop.emplace();
    loop.ops_per_s = in.Real("ops_per_s");
    loop.arrival = ReadEnum(in, "arrival", Arrival::kPoisson);
    loop.seed = in.Number("arrival_seed");
    if (!(loop.ops_per_s > 0)) in.Refuse("ops_per_s", "not above 0");
  }
  options.batch = in.Number("batch");
  if (options.batch == 0) in.Refuse("batch", "0 operations");
  options.slowdown_percent =
      static_cast<unsigned>(in.Below("slowdown_percent", kMostSlowdownPercent + 1));
  options.batches_by_kind = in.Flag("batches_by_kind");
  options.heap_pages = PageCount{in.Number("heap_pages")};
  options.clock.source = ReadEnum(in, "clock", ClockSource::kCntvct);
  options.clock.ns_per_tick = in.Real("ns_per_tick");
  options.clock.step_ns = in.Real("step_ns");
  options.clock.pair_ns = in.Real("pair_ns");
  options.clock.empty_ns = in.Real("empty_ns");
  return options;
}

void WriteHash(WireWriter& out, std::optional<std::uint64_t> hash) {
  out.Number("hashed", hash ? 1 : 0);
  if (hash) out.Number("result_hash", *hash);
}

std::optional<std::uint64_t> ReadHash(WireReader& in) {
  if (!in.Flag("hashed")) return std::nullopt;
  return in.Number("result_hash");
}

void WriteCosts(WireWriter& out, const RegionCosts& costs) {
  out.Number("lost", costs.lost_ns ? 1 : 0);
  if (costs.lost_ns) out.Real("lost", *costs.lost_ns);
  out.Number("nivcsw", costs.nivcsw);
  out.Number("minor_faults", costs.minor_faults);
}

RegionCosts ReadCosts(WireReader& in) {
  RegionCosts costs;
  if (in.Flag("lost")) costs.lost_ns = in.Real("lost");
  costs.nivcsw = in.Number("nivcsw");
  costs.minor_faults = in.Number("minor_faults");
  return costs;
}

void ReadHistogram(WireReader& in, std::string_view key, Histogram& histogram) {
  const std::string text = in.Text(key);
  if (!in.error().empty()) return;
  const std::string reason = histogram.MergeText(text);
  if (!reason.empty()) in.Refuse(key, reason);
}

// The status that the text holds, if it is an error or no text of the type that is wanted.
absl::Status Unwrap(WireReader& in, std::string_view type) {
  if (in.error().empty() && in.type() == "error") {
    const auto code = static_cast<int>(in.Below("code", kMostRepeats));
    const std::string message = in.Text("message");
    in.Finish();
    if (in.error().empty() && code == 0) in.Refuse("code", "0 is no error");
    if (in.error().empty()) return absl::Status(static_cast<absl::StatusCode>(code), message);
  }
  if (in.error().empty() && in.type() != type) in.Refuse("type", "another kind of text");
  if (in.error().empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("a message between processes is damaged: ", in.error()));
}

// Checks that a text was read to its end and without complaint.
absl::Status Done(WireReader& in) {
  in.Finish();
  if (in.error().empty()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("a message between processes is damaged: ", in.error()));
}

}  // namespace

std::string EncodeWorkloadCell(const WorkloadCell& cell) {
  WireWriter out("workload-cell");
  WriteWorkload(out, cell.workload);
  WriteOptions(out, cell.options);
  return out.Finish();
}

absl::StatusOr<WorkloadCell> DecodeWorkloadCell(std::string_view text) {
  WireReader in(text);
  if (absl::Status status = Unwrap(in, "workload-cell"); !status.ok()) return status;
  WorkloadCell cell;
  cell.workload = ReadWorkload(in);
  cell.options = ReadOptions(in);
  if (absl::Status status = Done(in); !status.ok()) return status;
  return cell;
}

std::string EncodeProgramCell(const CellOptions& options, const Program& program) {
  WireWriter out("program-cell");
  WriteOptions(out, options);
  out.Number("chunk_pages", program.chunk_pages.raw);
  out.Number("explicit_growth", program.explicit_growth ? 1 : 0);
  out.Number("measured_from", program.measured_from);
  out.Number("kind_block", program.kind_block);
  out.Number("id_count", program.id_count);
  out.Number("ops", program.ops.size());
  const std::string text = out.Finish();
  std::string bytes = absl::StrFormat("%0*d", kLengthDigits, text.size());
  bytes += text;
  // NOLINTNEXTLINE(*-reinterpret-cast): plain bytes, read by the same program
  bytes.append(reinterpret_cast<const char*>(program.ops.data()), program.ops.size() * sizeof(Op));
  return bytes;
}

absl::StatusOr<ProgramCell> DecodeProgramCell(std::string_view bytes) {
  std::size_t length = 0;
  const std::string_view digits = bytes.substr(0, kLengthDigits);
  static_cast<void>(std::from_chars(digits.data(), digits.data() + digits.size(), length));
  bytes.remove_prefix(digits.size());
  WireReader in(bytes.substr(0, length));
  bytes.remove_prefix(std::min(bytes.size(), length));
  if (absl::Status status = Unwrap(in, "program-cell"); !status.ok()) return status;
  ProgramCell cell;
  cell.options = ReadOptions(in);
  Program& program = cell.program;
  program.chunk_pages = PageCount{in.Number("chunk_pages")};
  program.explicit_growth = in.Flag("explicit_growth");
  program.measured_from = in.Number("measured_from");
  program.kind_block = static_cast<std::uint32_t>(in.Number("kind_block"));
  program.id_count = static_cast<std::uint32_t>(in.Number("id_count"));
  const std::uint64_t ops = in.Number("ops");
  if (bytes.size() % sizeof(Op) != 0 || bytes.size() / sizeof(Op) != ops) {
    in.Refuse("ops", "other operations than announced");
  }
  if (program.measured_from > ops) in.Refuse("measured_from", "beyond the end");
  if (absl::Status status = Done(in); !status.ok()) return status;
  program.ops.resize(ops);
  if (ops > 0) std::memcpy(program.ops.data(), bytes.data(), bytes.size());
  return cell;
}

std::string EncodeTimed(const TimedResult& result) {
  WireWriter out("timed");
  WriteHash(out, result.result_hash);
  out.Number("batches", result.batches.size());
  for (const BatchTimes& batch : result.batches) {
    out.Number("op", static_cast<std::uint64_t>(batch.op));
    out.Real("ns", batch.ns);
    out.Real("overhead_ns", batch.overhead_ns);
    out.Number("ops", batch.ops);
    out.Number("batch", batch.batch);
  }
  WriteCosts(out, result.batch_costs);
  out.Number("rss_bytes", result.rss_bytes);
  for (const Histogram& histogram : result.service) out.Text("service", histogram.ToText());
  for (const Histogram& histogram : result.response) out.Text("response", histogram.ToText());
  out.Text("null_op", result.null_op.ToText());
  out.Number("open_loop", result.open_loop ? 1 : 0);
  if (result.open_loop) {
    out.Number("ops", result.open_loop->ops);
    out.Real("planned_ns", result.open_loop->planned_ns);
    out.Real("elapsed_ns", result.open_loop->elapsed_ns);
  }
  WriteCosts(out, result.op_costs);
  return out.Finish();
}

absl::StatusOr<TimedResult> DecodeTimed(std::string_view text) {
  WireReader in(text);
  if (absl::Status status = Unwrap(in, "timed"); !status.ok()) return status;
  TimedResult result;
  result.result_hash = ReadHash(in);
  const std::uint64_t batches = in.Below("batches", kMostRepeats);
  for (std::uint64_t i = 0; i < batches && in.error().empty(); ++i) {
    BatchTimes batch;
    batch.op = ReadEnum(in, "op", RowOp::kAll);
    batch.ns = in.Real("ns");
    batch.overhead_ns = in.Real("overhead_ns");
    batch.ops = in.Number("ops");
    batch.batch = in.Number("batch");
    result.batches.push_back(batch);
  }
  result.batch_costs = ReadCosts(in);
  result.rss_bytes = in.Number("rss_bytes");
  for (Histogram& histogram : result.service) ReadHistogram(in, "service", histogram);
  for (Histogram& histogram : result.response) ReadHistogram(in, "response", histogram);
  ReadHistogram(in, "null_op", result.null_op);
  if (in.Flag("open_loop")) {
    OpenLoopTime& time = result.open_loop.emplace();
    time.ops = in.Number("ops");
    time.planned_ns = in.Real("planned_ns");
    time.elapsed_ns = in.Real("elapsed_ns");
  }
  result.op_costs = ReadCosts(in);
  if (absl::Status status = Done(in); !status.ok()) return status;
  return result;
}

std::string EncodeChecked(const CheckedResult& result) {
  WireWriter out("checked");
  WriteHash(out, result.result_hash);
  out.Number("mismatch", result.mismatch ? 1 : 0);
  if (result.mismatch) {
    out.Number("op", result.mismatch->op);
    out.Text("expected", result.mismatch->expected);
    out.Text("got", result.mismatch->got);
  }
  out.Number("metadata", result.metadata_bytes ? 1 : 0);
  if (result.metadata_bytes) out.Number("metadata_bytes", *result.metadata_bytes);
  out.Number("occupancy", result.occupancy ? 1 : 0);
  if (result.occupancy) {
    out.Number("span", result.occupancy->span.raw);
    out.Number("live", result.occupancy->live.raw);
    out.Number("no_room", result.occupancy->no_room);
  }
  out.Number("work", result.work ? 1 : 0);
  if (result.work) {
    out.Number("words_scanned", result.work->words_scanned);
    out.Number("summary_visits", result.work->summary_visits);
    out.Number("summary_updates", result.work->summary_updates);
  }
  return out.Finish();
}

absl::StatusOr<CheckedResult> DecodeChecked(std::string_view text) {
  WireReader in(text);
  if (absl::Status status = Unwrap(in, "checked"); !status.ok()) return status;
  CheckedResult result;
  result.result_hash = ReadHash(in);
  if (in.Flag("mismatch")) {
    result.mismatch.emplace();
    result.mismatch->op = static_cast<std::size_t>(in.Number("op"));
    result.mismatch->expected = in.Text("expected");
    result.mismatch->got = in.Text("got");
  }
  if (in.Flag("metadata")) result.metadata_bytes = in.Number("metadata_bytes");
  if (in.Flag("occupancy")) {
    result.occupancy.emplace();
    result.occupancy->span = ByteCount{in.Number("span")};
    result.occupancy->live = ByteCount{in.Number("live")};
    result.occupancy->no_room = in.Number("no_room");
  }
  if (in.Flag("work")) {
    result.work.emplace();
    result.work->words_scanned = in.Number("words_scanned");
    result.work->summary_visits = in.Number("summary_visits");
    result.work->summary_updates = in.Number("summary_updates");
  }
  if (absl::Status status = Done(in); !status.ok()) return status;
  return result;
}

std::string EncodeError(const absl::Status& error) {
  PA_EXPECT(!error.ok());
  WireWriter out("error");
  out.Number("code", static_cast<std::uint64_t>(error.code()));
  out.Text("message", std::string(error.message()));
  return out.Finish();
}

}  // namespace pagealloc::bench
