#include "harness/run/malloc_library.h"

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

struct Library {
  std::string_view allocator;
  const char* file;      ///< Debian's
  const char* variable;  ///< names another file
  std::string_view package;
};
constexpr std::array<Library, 3> kLibraries{{
    {"jemalloc", "libjemalloc.so.2", "PAGEALLOC_PEER_JEMALLOC", "libjemalloc2"},
    {"mimalloc", "libmimalloc.so.2", "PAGEALLOC_PEER_MIMALLOC", "libmimalloc2.0"},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "PAGEALLOC_PEER_TCMALLOC", "libtcmalloc-minimal4"},
}};

const Library* Find(std::string_view allocator) {
  const auto* const found =
      std::find_if(kLibraries.begin(), kLibraries.end(),
                   [allocator](const Library& library) { return library.allocator == allocator; });
  return found == kLibraries.end() ? nullptr : found;
}

const char* FileOf(const Library& library) {
  const char* const named = std::getenv(library.variable);
  return named != nullptr && *named != '\0' ? named : library.file;
}

// A function of the library itself: dlsym() also finds those of libraries that it needs.
template <class Function>
void FindOwn(void* handle, const link_map& library, const char* name, Function*& function) {
  void* const found = dlsym(handle, name);
  Dl_info info{};
  const bool own = found != nullptr && dladdr(found, &info) != 0 &&
                   reinterpret_cast<std::uintptr_t>(info.dli_fbase) == library.l_addr;
  if (own) function = reinterpret_cast<Function*>(found);
}

/// The calls, or what is wrong.
struct Loaded {
  MallocCalls calls;
  std::string problem;
};

Loaded Load(const Library& library) {
  const char* const file = FileOf(library);
  void* const handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {{}, dlerror()};
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return {{}, dlerror()};
  Loaded loaded;
  FindOwn(handle, *map, "aligned_alloc", loaded.calls.allocate);
  FindOwn(handle, *map, "free", loaded.calls.free);
  if (loaded.calls.allocate == nullptr || loaded.calls.free == nullptr) {
    loaded.problem = absl::StrCat(file, " has no aligned_alloc and free of its own");
  }
  return loaded;
}

}  // namespace

std::string_view MallocPackage(std::string_view allocator) {
  const Library* const library = Find(allocator);
  return library == nullptr ? std::string_view() : library->package;
}

std::optional<std::string> WhyNoMalloc(std::string_view allocator) {
  const Library* const library = Find(allocator);
  PA_EXPECT(library != nullptr);
  const Loaded loaded = Load(*library);
  if (loaded.problem.empty()) return std::nullopt;
  return absl::StrCat("-a ", std::string(allocator), " cannot load its library: ", loaded.problem,
                      ". Install it: apt-get install ", std::string(library->package),
                      "; or name its file with ", library->variable, ".");
}

MallocCalls LoadMalloc(std::string_view allocator) {
  const Library* const library = Find(allocator);
  PA_EXPECT(library != nullptr);
  const Loaded loaded = Load(*library);
  PA_EXPECT(loaded.problem.empty());
  return loaded.calls;
}

void RestartWithRoomForMallocs(const std::vector<std::string>& arguments) {
  constexpr const char* kVariable = "GLIBC_TUNABLES";
  constexpr std::string_view kTunable = "glibc.rtld.optional_static_tls";
  const char* const before = std::getenv(kVariable);
  std::string tunables = before == nullptr ? "" : before;
  if (tunables.find(kTunable) != std::string::npos) return;
  absl::StrAppend(&tunables, tunables.empty() ? "" : ":", std::string(kTunable), "=16384");
  setenv(kVariable, tunables.c_str(), 1);
  std::vector<std::string> words = arguments;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  // If that fails, loading a library will say what it lacks.
}

}  // namespace pagealloc::bench
