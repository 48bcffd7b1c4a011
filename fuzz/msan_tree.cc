/// msan_tree.cc: lets a target use std::map and std::set under MemorySanitizer; nothing otherwise.
///
/// libstdc++ is not instrumented. What it writes into fresh memory still counts as uninitialised,
/// and for a tree that is the links of every new node. This function comes before the library's,
/// has it do the work, and tells the sanitizer that the links are written. Strings need no such
/// help: the preset has them compiled here, and with the ABI that libFuzzer's own strings do not
/// have, so that libFuzzer, which is not instrumented either, keeps its own.
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)

#include <dlfcn.h>

#include <cstddef>
#include <cstdlib>
#include <map>

// The sanitizer's own; its header is not there with every compiler.
extern "C" void __msan_unpoison(const volatile void* begin, std::size_t size);

#ifdef __GLIBCXX__
namespace std {

// NOLINTNEXTLINE(*-reserved-identifier,*-dcl37-c,*-dcl51-cpp,*-identifier-naming): its name in the
// library
void _Rb_tree_insert_and_rebalance(const bool left, _Rb_tree_node_base* node,
                                   _Rb_tree_node_base* parent,
                                   _Rb_tree_node_base& header) noexcept {
  using Function = void (*)(bool, _Rb_tree_node_base*, _Rb_tree_node_base*, _Rb_tree_node_base&);
  static const auto real = reinterpret_cast<Function>(
      dlsym(RTLD_NEXT, "_ZSt29_Rb_tree_insert_and_rebalancebPSt18_Rb_tree_node_baseS0_RS_"));
  if (real == nullptr) std::abort();
  real(left, node, parent, header);
  __msan_unpoison(node, sizeof *node);
}

}  // namespace std
#endif

#endif
#endif
