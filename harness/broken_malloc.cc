// broken_malloc.cc: a malloc that is wrong, for cli_peers_test: BROKEN_STEP is how far apart two
// allocations of it lie, BROKEN_START where the first one begins, in bytes.
#include <cstddef>

namespace {
constexpr std::size_t kPage = 8192;
alignas(kPage) unsigned char g_memory[64 * kPage];  // NOLINT(*-avoid-c-arrays)
std::size_t g_next = BROKEN_START;
}  // namespace

extern "C" {
void* aligned_alloc(std::size_t alignment, std::size_t size);
void free(void* memory);

void* aligned_alloc(std::size_t /*alignment*/, std::size_t /*size*/) {
  unsigned char* const memory = g_memory + g_next;
  g_next += BROKEN_STEP;
  return memory;
}
void free(void* /*memory*/) {}
}
