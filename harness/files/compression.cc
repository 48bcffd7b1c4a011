#include "harness/files/compression.h"

#include <zstd.h>

#include <memory>
#include <vector>

namespace pagealloc::bench {
namespace {

struct FreeStream {
  void operator()(ZSTD_DCtx* stream) const { ZSTD_freeDCtx(stream); }
  void operator()(ZSTD_CCtx* stream) const { ZSTD_freeCCtx(stream); }
};

}  // namespace

std::optional<std::string> Compress(std::string_view text, int level) {
  const std::unique_ptr<ZSTD_CCtx, FreeStream> stream(ZSTD_createCCtx());
  ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_checksumFlag, 1);
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size =
      ZSTD_compress2(stream.get(), frame.data(), frame.size(), text.data(), text.size());
  if (ZSTD_isError(size) != 0) return std::nullopt;
  frame.resize(size);
  return frame;
}

std::optional<std::string> Decompress(const std::string& bytes, std::size_t most,
                                      std::string& text) {
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
    // Readers refuse a text of this length, so that the rest does not matter.
    if (text.size() > most) return std::nullopt;
  }
  if (wanted != 0) return "the compressed data ends too early";
  text.shrink_to_fit();
  return std::nullopt;
}

}  // namespace pagealloc::bench
