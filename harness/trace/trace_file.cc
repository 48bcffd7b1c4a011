#include "harness/trace/trace_file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace pagealloc::bench {
namespace {

constexpr int kCompressionLevel = 9;  // a trace of 10^7 records in seconds, not in minutes

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct FreeStream {
  void operator()(ZSTD_CCtx* stream) const { ZSTD_freeCCtx(stream); }
  void operator()(ZSTD_DCtx* stream) const { ZSTD_freeDCtx(stream); }
};

bool IsCompressed(const std::string& path) { return path.ends_with(".zst"); }

/// Devices such as /dev/zero and /dev/full never end; a terminal does, and /dev/null at once.
bool MayNeverEnd(std::FILE* file) {
  struct stat about {};
  struct stat null {};
  if (fstat(fileno(file), &about) != 0 || !S_ISCHR(about.st_mode)) return false;
  const bool is_null = stat("/dev/null", &null) == 0 && about.st_rdev == null.st_rdev;
  return !is_null && isatty(fileno(file)) == 0;
}

/// All bytes up to the end of the file, or more than kMaxTraceBytes of them.
absl::StatusOr<std::string> ReadAll(std::FILE* file, const std::string& path) {
  if (MayNeverEnd(file)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": it is a device that may never end. Give a file."));
  }
  std::string bytes;
  std::vector<char> buffer(std::size_t{1} << 20);
  while (bytes.size() <= kMaxTraceBytes) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file);
    bytes.append(buffer.data(), got);
    if (got == buffer.size()) continue;
    if (std::ferror(file) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    break;
  }
  bytes.shrink_to_fit();
  return bytes;
}

/// Decompresses all frames; the error is a clause.
std::optional<std::string> Decompress(const std::string& bytes, std::string& text) {
  if (bytes.empty()) return "the file is empty";
  const std::unique_ptr<ZSTD_DCtx, FreeStream> stream(ZSTD_createDCtx());
  std::vector<char> buffer(std::size_t{1} << 16);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::size_t wanted = 0;     // bytes of input that zstd still expects; 0 at the end of a frame
  while (in.pos < in.size) {  // zstd leaves input over while there is output to come
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    wanted = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(wanted) != 0) return ZSTD_getErrorName(wanted);
    text.append(buffer.data(), out.pos);
    // The reader refuses a text of this length, so that the rest does not matter.
    if (text.size() > kMaxTraceBytes) return std::nullopt;
  }
  if (wanted != 0) return "the compressed data ends too early";
  text.shrink_to_fit();
  return std::nullopt;
}

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

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  absl::StatusOr<std::string> bytes;
  if (path == "-") {
    bytes = ReadAll(stdin, "standard input");
  } else {
    const File file(std::fopen(path.c_str(), "rbe"));
    if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    bytes = ReadAll(file.get(), path);
  }
  if (!bytes.ok() || !IsCompressed(path)) return bytes;
  std::string text;
  if (const std::optional<std::string> damage = Decompress(*bytes, text)) {
    return absl::DataLossError(absl::StrCat("the file does not decompress: ", *damage));
  }
  return text;
}

absl::StatusOr<ParsedTrace> ReadTraceFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadTextFile(path);
  if (text.ok()) return ParseTrace(path, *std::move(text));
  if (!absl::IsDataLoss(text.status())) return text.status();
  return Refuse(path, std::string(text.status().message()));
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
