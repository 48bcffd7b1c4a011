// completion: the scripts as the shells run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;
using Words = std::vector<std::string>;

class CliCompletion : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    const Ended script = Bench({"completion", "bash"});
    ASSERT_EQ(script.exit_status, 0) << script.err;
    WriteFile("bash.sh", script.out);
  }

  /// What bash offers behind these words; the last one is not finished. As bash does it, --flag=x
  /// is given as three words.
  Words Offered(const Words& words) const {
    std::string call = "cd '" + folder_ + "' && . ./bash.sh && COMP_WORDS=(pagealloc-bench";
    for (const std::string& word : words) call += " '" + word + "'";
    call += ") && COMP_CWORD=" + std::to_string(words.size()) +
            "; _pagealloc_bench 2>&1; printf '%s\\n' \"${COMPREPLY[@]}\"";
    WriteFile("call.sh", call);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(
        popen(("bash " + Path("call.sh")).c_str(), "re"), pclose);
    std::string out;
    std::array<char, 4096> buffer{};
    while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
      out.append(buffer.data(), got);
    }
    Words offered;
    std::istringstream lines(out);
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) offered.push_back(line);
    }
    return offered;
  }
};

TEST_F(CliCompletion, OffersCommandsFlagsAndNames) {
  EXPECT_THAT(Offered({""}), IsSupersetOf({"run", "replay", "report", "doctor", "trace", "list"}));
  EXPECT_THAT(Offered({"re"}), ElementsAre("replay", "report"));
  EXPECT_THAT(Offered({"trace", ""}), IsSupersetOf({"validate", "inspect"}));
  EXPECT_THAT(Offered({"run", "--me"}), ElementsAre("--memory"));
  EXPECT_THAT(Offered({"run", "-"}), IsSupersetOf({"-w", "--workload", "--no-verify", "--rate"}));
  EXPECT_THAT(Offered({"replay", "--"}), Not(Contains("--workload")));
  EXPECT_THAT(Offered({"run", "--memory", "c"}), ElementsAre("commit"));
  EXPECT_THAT(Offered({"run", "--memory", "=", "s"}), ElementsAre("simulate"));
  EXPECT_THAT(Offered({"run", "--thp", "="}), ElementsAre("inherit", "never", "always"));
  EXPECT_THAT(Offered({"run", "-w", "ch"}), ElementsAre("churn"));
  EXPECT_THAT(Offered({"run", "-w", "hot,@f"}), ElementsAre("hot,@full"));
  EXPECT_THAT(Offered({"replay", "x.pagetrace", "-l", "linux-386,wasm-1.2"}),
              ElementsAre("linux-386,wasm-1.25", "linux-386,wasm-1.26"));
  EXPECT_THAT(Offered({"run", "-a", "ref"}), ElementsAre("reference"));
  EXPECT_THAT(Offered({"list", "me"}), ElementsAre("metrics"));
  EXPECT_THAT(Offered({"doctor", "--format", ""}), ElementsAre("table", "json"));
  EXPECT_THAT(Offered({"map", "--format", ""}), ElementsAre("text", "svg"));
  EXPECT_THAT(Offered({"completion", "f"}), ElementsAre("fish"));
  EXPECT_THAT(Offered({"compare", "--fail-on", "missing,unc"}), ElementsAre("missing,unclear"));
  EXPECT_THAT(Offered({"trace", "generate", "saw"}), ElementsAre("sawtooth"));
}

TEST_F(CliCompletion, OffersFilesWhereFilesStand) {
  WriteFile("one.pagetrace", kSmallTrace);
  EXPECT_THAT(Offered({"replay", "on"}), ElementsAre("one.pagetrace"));
  EXPECT_THAT(Offered({"run", "--config", "on"}), ElementsAre("one.pagetrace"));
  EXPECT_THAT(Offered({"trace", "validate", "on"}), ElementsAre("one.pagetrace"));
  EXPECT_THAT(Offered({"run", "--reps", "on"}), ElementsAre());  // a number
}

/// "name a command: run, replay; see ..." as names.
Words CommandsNamed(const std::string& message) {
  Words names;
  const std::string lead = "name a command: ";
  std::istringstream list(message.substr(message.find(lead) + lead.size()));
  for (std::string name; list >> name;) {
    names.push_back(name.substr(0, name.find_first_of(",;")));
    if (name.ends_with(';')) break;
  }
  return names;
}

/// The names of flags that open the lines of a help text.
Words FlagsIn(const std::string& help) {
  Words flags;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  -")) continue;
    std::istringstream names(line.substr(2, line.find(' ', 2) - 2));
    for (std::string name; std::getline(names, name, ',');) flags.push_back(name);
  }
  return flags;
}

// Nothing that the program takes is missing, in any shell, and nothing else is offered.
TEST_F(CliCompletion, EveryCommandAndFlagOfTheHelpTextsIsOffered) {
  std::vector<Words> commands{{}};
  const Words top = CommandsNamed(Bench({}).err);
  const Words of_trace = CommandsNamed(Bench({"trace"}).err);
  EXPECT_THAT(Offered({""}), UnorderedElementsAreArray(top));
  EXPECT_THAT(Offered({"trace", ""}), UnorderedElementsAreArray(of_trace));
  for (const std::string& name : top) commands.push_back({name});
  for (const std::string& name : of_trace) commands.push_back({"trace", name});
  const std::string zsh = Bench({"completion", "zsh"}).out;
  const std::string fish = Bench({"completion", "fish"}).out;
  for (const Words& command : commands) {
    std::string path;
    for (const std::string& word : command) path += (path.empty() ? "" : " ") + word;
    SCOPED_TRACE(path);
    Words help = command;
    help.emplace_back("--help");
    const Words flags = FlagsIn(Bench(help).out);
    EXPECT_THAT(flags, Contains("--help"));
    Words words = command;
    words.emplace_back("-");
    EXPECT_THAT(Offered(words), UnorderedElementsAreArray(flags));
    const std::string lead = "    '" + path + "') compadd -- -h ";
    const std::string of_zsh = zsh.substr(std::min(zsh.find(lead), zsh.size()));
    const std::string line = of_zsh.substr(0, of_zsh.find(";;"));
    const std::string condition = path.empty()
                                      ? "'__fish_use_subcommand'"
                                      : "'__fish_seen_subcommand_from " + command.back() + "'";
    for (const std::string& flag : flags) {
      EXPECT_THAT(line, HasSubstr(" " + flag + " "));
      const bool is_long = flag.starts_with("--");
      const std::string name = (is_long ? "-l " : "-s ") + flag.substr(is_long ? 2 : 1);
      std::istringstream lines(fish);
      bool found = false;
      for (std::string one; std::getline(lines, one);) {
        found = found || (one.find("-n " + condition + " ") != std::string::npos &&
                          (one + " ").find(" " + name + " ") != std::string::npos);
      }
      EXPECT_TRUE(found) << flag;
    }
  }
  // Values stand in the scripts of other shells, too.
  EXPECT_THAT(zsh, HasSubstr("'run/--memory') compadd -- simulate reserve commit touch"));
  EXPECT_THAT(fish, HasSubstr("-l memory -x -a 'simulate reserve commit touch'"));
}

// Nothing is offered that the program does not take.
TEST_F(CliCompletion, EveryWordThatIsOfferedIsTaken) {
  for (const std::string flag :
       {"--memory", "--cache", "--place", "--isolate", "--interleave", "--timing", "--thp",
        "--progress", "--color", "--format", "--cpu", "--seed", "--batch", "--exclude", "-l"}) {
    const Words offered = Offered({"run", flag, ""});
    EXPECT_THAT(offered, Not(ElementsAre())) << flag;
    for (const std::string& word : offered) {
      if (flag == "--exclude" && word.starts_with("@")) continue;
      const Ended ended = Bench({"run", "-w", "hot,large", "--smoke", "--dry-run", flag, word});
      const bool all_excluded = word == "hot" || word == "large";
      if (!all_excluded) {
        EXPECT_THAT(ended.err, Not(HasSubstr("unknown"))) << flag << " " << word;
      }
    }
  }
  for (const std::string flag : {"--format", "--by", "--gate", "--fail-on"}) {
    for (const std::string& word : Offered({"compare", flag, ""})) {
      const Ended ended = Bench({"compare", "no.csv", "no.csv", flag, word});
      EXPECT_THAT(ended.err, Not(HasSubstr("unknown"))) << flag << " " << word;
    }
  }
  for (const std::string& what : Offered({"list", ""})) {
    EXPECT_EQ(Bench({"list", what}).exit_status, 0) << what;
  }
}

TEST_F(CliCompletion, EveryShellTakesItsScript) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Ended script = Bench({"completion", shell});
    EXPECT_EQ(script.exit_status, 0);
    EXPECT_THAT(script.out, HasSubstr("swiss-cheese"));
    WriteFile(shell, script.out);
    const bool installed = std::system(("command -v " + shell + " >/dev/null").c_str()) == 0;
    if (!installed) continue;
    EXPECT_EQ(std::system((shell + " -n " + Path(shell)).c_str()), 0) << shell;
  }
}

TEST_F(CliCompletion, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(Bench({"completion"}).exit_status, 2);
  const Ended ended = Bench({"completion", "bsh"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("The nearest is 'bash'"));
}

}  // namespace
}  // namespace pagealloc::bench
