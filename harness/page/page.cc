#include "harness/page/page.h"

#include <array>

#include "harness/page/html.h"
#include "harness/page/page_style.h"
#include "harness/page/sections.h"

namespace pagealloc::bench {
namespace {

struct Section {
  const char* id;
  const char* title;
  std::string (*make)(const PageContent&);
};
constexpr std::array kSections{
    Section{"verdict", "Verdict", VerdictSection},
    Section{"environment", "Environment", EnvironmentSection},
    Section{"ratios", "Ratios", RatioSection},
    Section{"percentiles", "Latency by percentile", PercentileSection},
    Section{"time-order", "Value in time order", TimeOrderSection},
    Section{"memory", "Memory", MemorySection},
    Section{"map", "Heap maps", MapSection},
    Section{"numbers", "All numbers", NumbersSection},
};

std::string Header(const PageInput& input) {
  std::string files;
  for (std::size_t i = 0; i < input.files.size(); ++i) {
    const PageFile& file = input.files[i];
    std::string about = "<i class=\"swatch c" + std::to_string(i) + "\"></i> " +
                        Element("b", "", Escaped(file.name));
    if (input.files.size() > 1 && i == 0) about += " (base)";
    if (!file.results.runs.empty()) {
      const RunColumns& run = file.results.runs.front();
      about += Element("span", "",
                       Escaped(run.started_at + ", commit " + run.commit + ", " + run.build +
                               " build" + (run.label.empty() ? "" : ", label " + run.label) +
                               (run.cpu.empty() ? "" : ", " + run.cpu)));
    }
    files += Element("li", "", about);
  }
  return Element("header", "",
                 "<h1>pagealloc-bench report</h1>" + Element("ul", "class=\"files\"", files));
}

std::string Page(const PageInput& input, const PageContent& content) {
  std::string contents;
  std::string sections;
  for (const Section& section : kSections) {
    const std::string html = section.make(content);
    if (html.empty()) continue;
    const std::string id = section.id;
    contents += Element("li", "", Element("a", "href=\"#" + id + "\"", section.title));
    sections += Element("section", "id=\"" + id + "\"", Element("h2", "", section.title) + html);
  }
  std::string title = "pagealloc-bench:";
  for (const PageFile& file : input.files) title += " " + file.name;
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
         "<meta name=\"color-scheme\" content=\"light dark\"/>" +
         Element("title", "", Escaped(title)) + Element("style", "", std::string(kPageStyle)) +
         "</head><body>" + Header(input) +
         Element("nav", "aria-label=\"Contents\"", Element("ol", "", contents)) +
         Element("main", "", sections) + "</body></html>\n";
}

}  // namespace

std::string MakePage(const PageInput& given) {
  PageInput input = given;
  const std::vector<PageCell> cells = CellsOf(input.files);
  PageLimits limits{.ratios = 60, .panels = 60, .cells = 200, .maps = input.maps.size()};
  for (;;) {
    std::string page = Page(input, {input, cells, limits});
    if (page.size() <= kMostPageBytes) return page;
    if (limits.cells == 0) {  // what is left is names and environments of unheard-of length
      for (PageFile& file : input.files) {
        file.environment.clear();
        file.name.resize(std::min<std::size_t>(file.name.size(), 100));
      }
      input.maps.clear();
      input.comparisons.clear();
      return Page(input, {input, cells, limits});
    }
    limits = {limits.ratios / 2, limits.panels / 2, limits.cells / 2, limits.maps / 2};
  }
}

}  // namespace pagealloc::bench
