#include "harness/base/nearest_name.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace pagealloc::bench {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool BeginsWith(std::string_view text, std::string_view start) {
  return text.size() >= start.size() &&
         std::equal(start.begin(), start.end(), text.begin(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

}  // namespace

std::size_t EditDistance(std::string_view a, std::string_view b) {
  // Three rows of the usual table: row i holds the distances of a's first i letters to every start
  // of b; the row before last is needed for swaps.
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = Lower(a[i - 1]) == Lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && Lower(a[i - 1]) == Lower(b[j - 2]) &&
                           Lower(a[i - 2]) == Lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string_view NearestName(std::span<const std::string_view> candidates, std::string_view given) {
  std::string_view nearest;
  std::size_t smallest = std::numeric_limits<std::size_t>::max();
  for (std::string_view candidate : candidates) {
    // A name cut short ("swiss") is a more likely slip than as many wrong letters.
    const bool cut_short = !given.empty() && BeginsWith(candidate, given);
    const std::size_t distance = cut_short ? 1 : EditDistance(candidate, given);
    if (distance < smallest) {
      smallest = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string UnknownName(std::string_view what, std::span<const std::string_view> candidates,
                        std::string_view given, std::string_view how_to_list) {
  std::string text = "unknown ";
  text.append(what).append(" '").append(given).append("'.");
  if (!candidates.empty()) {
    text.append(" The nearest is '").append(NearestName(candidates, given)).append("'");
    if (!how_to_list.empty()) text.append("; ").append(how_to_list);
    text.append(".");
  } else if (!how_to_list.empty()) {
    text.append(" ").append(how_to_list).append(".");
  }
  return text;
}

}  // namespace pagealloc::bench
