#include "harness/trace/minimize.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "harness/trace/judge.h"

namespace pagealloc::bench {
namespace {

/// `program` with those of its operations [0, begin) and [end, size) that are legal then.
Program Without(const Program& program, std::size_t begin, std::size_t end) {
  Program shorter = program;
  const auto at = [&shorter](std::size_t index) {
    return shorter.ops.begin() + static_cast<std::ptrdiff_t>(index);
  };
  shorter.ops.erase(at(begin), at(end));
  shorter.ops = LegalOps(shorter);
  // Where the set-up ends says nothing any more once operations are gone.
  shorter.measured_from = 0;
  shorter.kind_block = 0;
  return shorter;
}

void NumberIds(Program& program) {
  std::map<std::uint32_t, std::uint32_t> numbers;
  for (Op& op : program.ops) {
    if (op.kind != OpKind::kAllocate && op.kind != OpKind::kFree) continue;
    op.id = numbers.emplace(op.id, static_cast<std::uint32_t>(numbers.size())).first->second;
  }
  program.id_count = static_cast<std::uint32_t>(numbers.size());
}

class Minimizing {
 public:
  Minimizing(const Program& failing, const StillFails& still_fails,
             const std::function<void(const Minimized&)>& shorter)
      : still_fails_(still_fails), shorter_(shorter) {
    best_.program = failing;
    best_.program.text.clear();
    for (Op& op : best_.program.ops) op.line = 0;
  }

  Minimized Run() {
    Program plain = best_.program;
    for (Op& op : plain.ops) op.expect = Expect::kNothing;
    if (plain.ops != best_.program.ops) Try(std::move(plain));
    std::size_t piece = std::max<std::size_t>(best_.program.ops.size() / 2, 1);
    while (best_.finished) {
      const bool cut = CutPieces(piece);
      if (piece == 1 && !cut) break;
      if (!cut) piece = std::max<std::size_t>(piece / 2, 1);
    }
    NumberIds(best_.program);
    return std::move(best_);
  }

 private:
  /// Tries the program, and keeps it if it fails.
  bool Try(Program program) {
    const std::optional<bool> fails = still_fails_(program);
    ++best_.tried;
    if (!fails) best_.finished = false;
    if (!fails.value_or(false)) return false;
    best_.program = std::move(program);
    if (shorter_) shorter_(best_);
    return true;
  }

  /// From the end, since what follows the failure goes first.
  bool CutPieces(std::size_t piece) {
    bool cut = false;
    std::size_t end = best_.program.ops.size();
    while (end > 0 && best_.finished) {
      const std::size_t begin = end - std::min(piece, end);
      if (Try(Without(best_.program, begin, end))) cut = true;
      // What a cut leaves behind the piece has been tried in pieces of this size.
      end = std::min(begin, best_.program.ops.size());
    }
    return cut;
  }

  const StillFails& still_fails_;
  const std::function<void(const Minimized&)>& shorter_;
  Minimized best_;
};

}  // namespace

Minimized Minimize(const Program& failing, const StillFails& still_fails,
                   const std::function<void(const Minimized& best)>& shorter) {
  return Minimizing(failing, still_fails, shorter).Run();
}

}  // namespace pagealloc::bench
