/// coverage_runtime.cc: linked into each program that tools/coverage builds, so that processes
/// which end by abort() or _exit() write down what they reached, too: children of death tests and
/// of forks.
#include <csignal>

extern "C" {
int __llvm_profile_write_file();
[[noreturn]] void __real__exit(int status);
/// What _exit() becomes, by the linker's option --wrap=_exit.
[[noreturn]] void __wrap__exit(int status) {
  static_cast<void>(__llvm_profile_write_file());
  __real__exit(status);
}
}

namespace {

/// abort() goes on when the handler returns.
[[maybe_unused]] const auto before =
    std::signal(SIGABRT, [](int) { static_cast<void>(__llvm_profile_write_file()); });

}  // namespace
