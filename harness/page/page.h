/// page.h: results as one page of HTML that needs nothing else: no script, no network.
///
///   files, comparisons, maps --MakePage()--> header, contents
///                                            verdict, environment
///                                            ratios, percentiles, time order, memory    (figures)
///                                            heap maps
///                                            the numbers, with the command behind each
///
/// It follows a light or dark colour scheme, prints, and fits a narrow window.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/compare/comparison.h"
#include "harness/page/page_data.h"

namespace pagealloc::bench {

/// A page is never larger.
inline constexpr std::size_t kMostPageBytes = 500'000;

/// A heap over the course of a program.
struct HeapPicture {
  std::string title;
  std::string note;  ///< where the program is from
  std::string svg;   ///< an <svg> element
};

struct PageInput {
  std::vector<PageFile> files;          ///< at least one; the first is the base
  std::vector<Comparison> comparisons;  ///< of each further file with the first
  std::vector<HeapPicture> maps;        ///< most interesting first
  std::vector<std::string> map_notes;   ///< sentences about those that are missing
};

/// Where everything would not fit into kMostPageBytes, figures and then rows are left out, and the
/// page says how many.
std::string MakePage(const PageInput& input);

}  // namespace pagealloc::bench
