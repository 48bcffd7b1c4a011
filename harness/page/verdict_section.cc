// verdict_section.cc: what a comparison says, and what differs between the machines.
#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "harness/page/environment_json.h"
#include "harness/page/html.h"
#include "harness/page/sections.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::json;

std::string Sentence(const Comparison& comparison) {
  switch (GateOf(comparison, {})) {
    case Gate::kPassed:
      return "Nothing that is gated has become worse.";
    case Gate::kUnclear:
      return "Some of what is gated is unclear.";
    case Gate::kFailed:
      return "Something that is gated has become worse.";
    case Gate::kNotComparable:
      break;
  }
  return comparison.in_common == 0 ? "The files have nothing in common."
                                   : "Placements changed: the files are not about the same work.";
}

std::string Verdicts(const Comparison& comparison) {
  std::string html =
      Element("h3", "", Escaped(comparison.candidate_name + " against " + comparison.base_name)) +
      Element("p", "class=\"lead\"", Sentence(comparison));
  std::string counts;
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    if (comparison.counts[i] == 0) continue;
    counts += Element("li", "",
                      Element("b", "", std::to_string(comparison.counts[i])) + " " +
                          VerdictBadge(static_cast<Verdict>(i)));
  }
  html += Element("ul", "class=\"counts\"", counts);
  std::string notes;
  for (const std::string& warning : comparison.warnings) {
    notes += Element("li", "", Escaped(warning));
  }
  if (!comparison.timing_is_gated) {
    notes += Element("li", "",
                     "Times are advisory: these files were recorded apart, and machines change "
                     "between two recordings. <code>pagealloc-bench ab</code> measures both sides "
                     "in turn and may gate on times.");
  }
  for (const std::string& cell : comparison.changed_behaviour) {
    notes += Element("li", "", "Placements changed: " + Escaped(cell));
  }
  html += Element("ul", "class=\"notes\"", notes);
  std::string means;
  for (const GeometricMeanRow& mean : comparison.geometric_means) {
    means += Element("tr", "",
                     Element("th", "scope=\"row\"", Escaped(mean.metric)) +
                         Element("td", "", Escaped(PercentileOf(mean.metric, mean.stat))) +
                         Element("td", "class=\"n\"", std::to_string(mean.rows)) +
                         Element("td", "class=\"n\"", Rounded(mean.ratio)) +
                         Element("td", "class=\"n\"", RatioText(mean.ratio)));
  }
  if (means.empty()) return html;
  return html + ScrollingTable("",
                               "<caption>Geometric means of new / base over the rows that both "
                               "have</caption><thead><tr><th scope=\"col\">metric</th><th "
                               "scope=\"col\">stat</th><th scope=\"col\" class=\"n\">rows</th>"
                               "<th scope=\"col\" class=\"n\">ratio</th><th scope=\"col\" "
                               "class=\"n\">change</th></tr></thead>" +
                                   Element("tbody", "", means));
}

/// Names joined by dots, with the values as texts; what each call has of its own is left out.
void Flatten(const Json& json, const std::string& name, std::map<std::string, std::string>& texts) {
  constexpr std::array<std::string_view, 8> kOfTheCall{
      "arguments",         "config.out",     "config.label", "config.force",
      "clock.ns_per_tick", "clock.empty_ns", "config.quiet", "config.config"};
  if (std::find(kOfTheCall.begin(), kOfTheCall.end(), name) != kOfTheCall.end()) return;
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      Flatten(value, name.empty() ? key : std::string(name).append(".").append(key), texts);
    }
  } else {
    texts[name] = json.is_string() ? json.get<std::string>()
                  : json.is_number_float()
                      ? Rounded(json.get<double>())
                      : json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

}  // namespace

std::string VerdictBadge(Verdict verdict) {
  constexpr std::array<std::string_view, kVerdicts> kSigns{"\xe2\x96\xb2",
                                                           "\xe2\x88\x92",
                                                           "\xe2\x89\xa0",
                                                           "?",
                                                           "\xe2\x89\xa0",
                                                           "\xe2\x96\xbc",
                                                           "+",
                                                           "="};
  const std::string name(VerdictName(verdict));
  return Element("span", "class=\"verdict " + name + "\"",
                 std::string(kSigns[static_cast<std::size_t>(verdict)]) + " " + name);
}

std::string VerdictSection(const PageContent& content) {
  std::string html;
  for (const Comparison& comparison : content.input.comparisons) html += Verdicts(comparison);
  return html;
}

std::string EnvironmentSection(const PageContent& content) {
  const std::vector<PageFile>& files = content.input.files;
  std::vector<std::map<std::string, std::string>> texts(files.size());
  std::map<std::string, bool> differs;
  std::string lacking;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Json json = EnvironmentJson(files[i].environment);
    if (json.empty()) {
      lacking += Element("p", "class=\"note\"",
                         "There is no environment file beside " + Escaped(files[i].name) + ".");
    } else {
      Flatten(json, "", texts[i]);
    }
  }
  std::vector<std::size_t> known;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!texts[i].empty()) known.push_back(i);
  }
  for (const std::size_t i : known) {
    for (const auto& [key, text] : texts[i]) {
      for (const std::size_t other : known) {
        const auto found = texts[other].find(key);
        if (found == texts[other].end() || found->second != text) differs[key] = true;
      }
      differs.try_emplace(key, false);
    }
  }
  std::string head = "<th scope=\"col\">property</th>";
  for (const std::size_t i : known) {
    head += Element("th", "scope=\"col\"", Escaped(files[i].name));
  }
  const auto table = [&](bool different, const std::string& caption) {
    std::string body;
    for (const auto& [key, is_different] : differs) {
      if (is_different != different) continue;
      std::string row = Element("th", "scope=\"row\"", Escaped(key));
      for (const std::size_t i : known) {
        const auto found = texts[i].find(key);
        row += Element("td", "", found == texts[i].end() ? "" : Escaped(found->second));
        if (!different) break;  // one value for all
      }
      body += Element("tr", "", row);
    }
    if (body.empty()) return std::string();
    const std::string columns =
        different ? head : "<th scope=\"col\">property</th><th scope=\"col\">value</th>";
    return ScrollingTable("class=\"texts\"", Element("caption", "", caption) +
                                                 Element("thead", "", Element("tr", "", columns)) +
                                                 Element("tbody", "", body));
  };
  std::string html = lacking;
  if (known.size() > 1) {
    const std::string different = table(true, "What differs");
    html += different.empty() ? Element("p", "", "The environments are the same.") : different;
  }
  const std::string same = table(false, known.size() > 1 ? "What is the same" : "");
  if (same.empty()) return html;
  return html + Element("details", "",
                        "<summary>" +
                            std::string(known.size() > 1 ? "What is the same"
                                                         : "Everything that is known") +
                            "</summary>" + same);
}

}  // namespace pagealloc::bench
