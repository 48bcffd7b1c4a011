#include "harness/trace/trace_file.h"

#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "harness/files/read_file.h"

namespace pagealloc::bench {
namespace {

constexpr int kCompressionLevel = 9;  // a trace of 10^7 records in seconds, not in minutes

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct FreeStream {
  void operator()(ZSTD_CCtx* stream) const { ZSTD_freeCCtx(stream); }
};

bool IsCompressed(const std::string& path) { return path.ends_with(".zst"); }

/// A trace of which no line can be trusted.
ParsedTrace Refuse(const std::string& path, std::string reason) {
  TraceError error;
  error.where.file = path;
  error.where.line = 1;
  error.reason = std::move(reason);
  error.advice = "Copy or record it again; test it with: zstd -t FILE.";
  ParsedTrace trace;
  trace.program.name = path;
  trace.error = std::move(error);
  return trace;
}

}  // namespace

absl::StatusOr<ParsedTrace> ReadTraceFile(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadBytes(path, kMaxTraceBytes);
  if (!bytes.ok()) return bytes.status();
  if (!IsCompressed(path)) return ParseTrace(path, *std::move(bytes));
  std::string text;
  if (const std::optional<std::string> damage = Decompress(*bytes, kMaxTraceBytes, text)) {
    return Refuse(path, absl::StrCat("the file does not decompress: ", *damage));
  }
  bytes->clear();
  bytes->shrink_to_fit();
  return ParseTrace(path, std::move(text));
}

absl::Status WriteTraceFile(const std::string& path, const std::string& text) {
  std::string compressed;
  if (IsCompressed(path)) {
    const std::unique_ptr<ZSTD_CCtx, FreeStream> stream(ZSTD_createCCtx());
    ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_compressionLevel, kCompressionLevel);
    ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_checksumFlag, 1);  // damage is not to read as text
    compressed.resize(ZSTD_compressBound(text.size()));
    const std::size_t size = ZSTD_compress2(stream.get(), compressed.data(), compressed.size(),
                                            text.data(), text.size());
    if (ZSTD_isError(size) != 0) {
      return absl::InternalError(
          absl::StrCat("cannot compress ", path, ": ", ZSTD_getErrorName(size)));
    }
    compressed.resize(size);
  }
  const std::string& bytes = IsCompressed(path) ? compressed : text;
  File file(std::fopen(path.c_str(), "wbe"));
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  // A full disk may show only when the buffer is flushed, so closing is part of writing.
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  const int write_error = errno;
  const bool closed = std::fclose(file.release()) == 0;
  if (written && closed) return absl::OkStatus();
  return absl::ErrnoToStatus(written ? errno : write_error, absl::StrCat("cannot write ", path));
}

}  // namespace pagealloc::bench
