#include "harness/page/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/page/reproduce.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

CellColumns SomeCell(const std::string& workload = "churn") {
  CellColumns cell;
  cell.suite = "run";
  cell.workload = workload;
  cell.params = "occupancy=50;sizes=1-16";
  cell.stream_hash = "abc";
  cell.allocator = "radix";
  cell.layout = "linux-386";
  cell.heap_bytes = 1 << 26;
  cell.seed = 7;
  return cell;
}

/// Five repetitions of a cell that take about `ns`, and what is over all of them.
void AddCell(PageFile& file, const CellColumns& cell, double ns) {
  const auto add = [&](ResultRow row) { file.results.rows.push_back({kSchema, 0, row}); };
  for (std::uint64_t rep = 0; rep < 5; ++rep) {
    ResultRow row = MakeRow(cell, "all", "batch_ns", ns + static_cast<double>(rep));
    row.rep = row.seq = rep;
    add(row);
  }
  add(MakeRow(cell, "all", "batch_ns", ns));
  ResultRow exact = MakeRow(cell, "all", "metadata_bytes", 2048);
  exact.n = 2000;
  add(exact);
  for (const char* stat : {"p50", "p99"}) {
    ResultRow row = MakeRow(cell, "alloc", "service_ns", 2 * ns);
    row.stat = stat;
    add(row);
    row = MakeRow(cell, "all", "null_op_ns", 20);
    row.stat = stat;
    add(row);
  }
}

PageFile SomeFile(const std::string& name, double ns) {
  PageFile file;
  file.name = name;
  file.results.runs.resize(1);
  file.environment = R"({"kernel": "Linux 6", "config": {"reps": "5", "memory": "touch"}})";
  AddCell(file, SomeCell(), ns);
  return file;
}

PageInput Compared() {
  PageInput input;
  input.files = {SomeFile("base.csv", 100), SomeFile("new.csv", 150)};
  input.comparisons.push_back(
      Compare({"base.csv", &input.files[0].results}, {"new.csv", &input.files[1].results}, {}));
  return input;
}

TEST(MakePage, TwoFilesAreComparedAndShown) {
  PageInput input = Compared();
  input.files[1].environment = R"({"kernel": "Linux 7", "config": {"reps": "5"}})";
  const std::string page = MakePage(input);
  for (const char* id :
       {"verdict", "environment", "ratios", "percentiles", "time-order", "memory", "numbers"}) {
    EXPECT_THAT(page, HasSubstr(std::string("<section id=\"") + id + "\">"));
    EXPECT_THAT(page, HasSubstr(std::string("href=\"#") + id + "\""));
  }
  EXPECT_THAT(page, HasSubstr("<td>Linux 6</td><td>Linux 7</td>"));
  EXPECT_THAT(page, HasSubstr("new.csv against base.csv"));
  EXPECT_THAT(page, HasSubstr("regressed</span>"));
}

TEST(MakePage, OneFileHasNoVerdictButTheRest) {
  PageInput input;
  input.files = {SomeFile("only.csv", 100)};
  const std::string page = MakePage(input);
  EXPECT_THAT(page, Not(HasSubstr("id=\"verdict\"")));
  EXPECT_THAT(page, Not(HasSubstr("id=\"ratios\"")));
  EXPECT_THAT(page, HasSubstr("id=\"percentiles\""));
  EXPECT_THAT(page, HasSubstr("id=\"numbers\""));
}

TEST(MakePage, NothingInAFileIsMarkup) {
  PageInput input = Compared();
  const std::string hostile = "<script>alert(1)</script>\"'&";
  for (PageFile& file : input.files) {
    file.name = hostile;
    file.environment =
        "{\""
        "kernel"
        "\": \"<script>x</script>\"}";
    file.results.runs[0].label = hostile;
    file.results.runs[0].cpu = hostile;
    for (ResultsFile::Row& row : file.results.rows) {
      row.result.cell.workload = row.result.cell.params = row.result.cell.allocator = hostile;
      row.result.op = row.result.unit = hostile;
    }
  }
  input.comparisons.clear();
  input.comparisons.push_back(
      Compare({hostile, &input.files[0].results}, {hostile, &input.files[1].results}, {}));
  input.maps = {{hostile, hostile, "<svg></svg>"}};
  input.map_notes = {hostile};
  const std::string page = MakePage(input);
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
}

TEST(MakePage, AnEnvironmentFileThatIsNoneDoesNoHarm) {
  for (const std::string& environment :
       {std::string("[1]"), std::string("{\"a\""),
        std::string(R"({"arguments": 7, "config": "x"})"),
        "{\"a\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}"}) {
    PageInput input = Compared();
    input.files[0].environment = environment;
    EXPECT_THAT(MakePage(input), HasSubstr("id=\"numbers\""));
  }
}

TEST(MakePage, IsNeverTooLarge) {
  PageInput input = Compared();
  for (PageFile& file : input.files) {
    for (int i = 0; i < 600; ++i) AddCell(file, SomeCell("w" + std::to_string(i)), 100);
  }
  const std::string page = MakePage(input);
  EXPECT_LE(page.size(), kMostPageBytes);
  EXPECT_GT(page.size(), kMostPageBytes / 4);  // no more is left out than must be
  EXPECT_THAT(page, HasSubstr("more headings with their rows are left out"));
  input.files[0].environment = "{\"kernel\": \"" + std::string(600'000, 'x') + "\"}";
  EXPECT_LE(MakePage(input).size(), kMostPageBytes);
}

TEST(MakePage, ShowsMapsWithWhatIsMissingAndLeavesOutWhatHasNoRoom) {
  PageInput input = Compared();
  input.maps = {{"first", "made again", "<svg id=\"one\"></svg>"},
                {"second", "read again", "<svg id=\"two\"></svg>"}};
  input.map_notes = {"No map of third."};
  const std::string page = MakePage(input);
  for (const char* part : {"first", "made again", "id=\"two\"", "No map of third."}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
  input.maps[1].svg = "<svg>" + std::string(kMostPageBytes, ' ') + "</svg>";
  const std::string small = MakePage(input);
  EXPECT_LE(small.size(), kMostPageBytes);
  EXPECT_THAT(small, HasSubstr("id=\"one\""));
  EXPECT_THAT(small, HasSubstr("1 more maps are left out"));
}

TEST(TracePaths, AreTheWordsThatMayBeTheTrace) {
  PageFile file = SomeFile("a.csv", 1);
  EXPECT_EQ(TracePaths("web", file), std::vector<std::string>{});
  file.environment =
      R"({"arguments": ["pagealloc-bench", "run", "--trace=a/web.pagetrace", "b/web.pagetrace.zst",
          "other.pagetrace", 7], "config": {"trace": "a/web.pagetrace,c/web"}})";
  EXPECT_EQ(TracePaths("web", file),
            (std::vector<std::string>{"a/web.pagetrace", "b/web.pagetrace.zst", "c/web"}));
  // One of two traces with the same name is called by its path.
  EXPECT_EQ(TracePaths("b/web.pagetrace.zst", file),
            std::vector<std::string>{"b/web.pagetrace.zst"});
}

TEST(CommandFor, NamesWhatIsNotTheDefault) {
  const PageFile file = SomeFile("a.csv", 1);
  EXPECT_EQ(CommandFor(SomeCell(), file),
            "pagealloc-bench run -w churn -p occupancy=50 -p sizes=1-16 -a radix -l linux-386 "
            "--heap 64MiB --ops 2000 --seed 7 --memory touch --reps 5");
}

TEST(CommandFor, HowItWasRunIsNoParameter) {
  PageFile file = SomeFile("a.csv", 1);
  file.environment = R"({"config": {"timing": "response"}})";
  CellColumns cell = SomeCell();
  cell.params = "arrival=poisson;rate=1000";
  EXPECT_THAT(CommandFor(cell, file), HasSubstr("--arrival poisson --rate 1000 -a radix"));
  EXPECT_THAT(CommandFor(cell, file), Not(HasSubstr("--timing")));
}

TEST(CommandFor, EachSuiteHasItsCommand) {
  PageFile file = SomeFile("a.csv", 1);
  CellColumns cell = SomeCell();
  cell.suite = "count";
  EXPECT_THAT(CommandFor(cell, file), StartsWith("pagealloc-bench count -w churn -p occupancy=50"));
  cell.suite = "micro";
  file.environment = R"({"config": {"reps": "5", "min-time": "10ms"}})";
  EXPECT_EQ(CommandFor(cell, file), "pagealloc-bench micro --reps 5 --min-time 10ms");
}

TEST(CommandFor, ATraceIsFoundAmongTheArguments) {
  PageFile file = SomeFile("a.csv", 1);
  CellColumns cell = SomeCell("web of things");
  cell.suite = "replay";
  cell.params = "";
  cell.seed.reset();
  file.environment = "no JSON";
  EXPECT_EQ(CommandFor(cell, file),
            "pagealloc-bench replay 'web of things.pagetrace' -a radix -l linux-386");
  file.environment =
      R"({"arguments": ["pagealloc-bench", "replay", "/x/web of things.pagetrace.zst"],
                         "config": {"verify": "false", "smoke": "true"}})";
  EXPECT_EQ(CommandFor(cell, file),
            "pagealloc-bench replay '/x/web of things.pagetrace.zst' -a radix -l linux-386 --smoke "
            "--no-verify");
}

TEST(ShellWord, IsReadBackAsTheSameWord) {
  EXPECT_EQ(ShellWord("a-b_c=1,2"), "a-b_c=1,2");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("it's $HOME"), "'it'\\''s $HOME'");
}

}  // namespace
}  // namespace pagealloc::bench
