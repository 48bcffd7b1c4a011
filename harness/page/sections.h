/// sections.h: the parts of a page; each is HTML, and empty if there is nothing to say.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/page/page.h"
#include "harness/page/page_data.h"

namespace pagealloc::bench {

/// How much of what could be shown is shown.
struct PageLimits {
  std::size_t ratios = 0;
  std::size_t panels = 0;  ///< of each kind
  std::size_t cells = 0;   ///< in tables
  std::size_t maps = 0;
};

/// What the sections show.
struct PageContent {
  const PageInput& input;
  const std::vector<PageCell>& cells;
  PageLimits limits;
};

std::string VerdictSection(const PageContent& content);
std::string EnvironmentSection(const PageContent& content);
std::string RatioSection(const PageContent& content);
std::string PercentileSection(const PageContent& content);
std::string TimeOrderSection(const PageContent& content);
std::string MemorySection(const PageContent& content);
std::string MapSection(const PageContent& content);
std::string NumbersSection(const PageContent& content);

/// "verdict" as a coloured word with a sign, so that colour is not needed.
std::string VerdictBadge(Verdict verdict);
/// Which colour is which file, for figures of several; empty for one file without a null line.
std::string FileLegend(const PageContent& content, bool null_line);
/// "12 more are left out ..."; empty for 0.
std::string LeftOut(std::size_t count, const std::string& what);
/// A table that scrolls sideways by itself, where a window is narrow.
std::string ScrollingTable(const std::string& attributes, const std::string& content);

}  // namespace pagealloc::bench
