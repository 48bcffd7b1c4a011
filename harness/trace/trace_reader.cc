#include "harness/trace/trace_reader.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "harness/trace/id_table.h"

namespace pagealloc::bench {
namespace {

constexpr std::size_t kMaxIdLength = 64;
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

constexpr std::string_view kOneSpace =
    "Separate fields by exactly one space and end the line without one.";
constexpr std::string_view kCut =
    "If the file was cut, record or copy it again; if this is all of it, end it with a line feed.";

/// How a record is written, for advice.
constexpr std::string_view FormOf(char record) {
  switch (record) {
    case 'g':
      return "g OFF N";
    case 'a':
      return "a ID N [@CPU] [= OFF|= none]";
    case 'f':
      return "f ID";
    case 'r':
      return "r OFF N";
    case 'u':
      return "u OFF N";
    case 'c':
      return "c [= OFF MASK|= none]";
    case 'k':
      return "k OFF MASK [SCAVMASK]";
    case 's':
      return "s N [bg] [= N]";
    default:
      return "n";
  }
}

constexpr std::array<bool, 256> kIsIdCharacter = [] {
  std::array<bool, 256> is{};
  for (unsigned char c = 'a'; c <= 'z'; ++c) is[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) is[c] = true;
  for (unsigned char c = '0'; c <= '9'; ++c) is[c] = true;
  is['_'] = is['.'] = is['-'] = true;
  return is;
}();

/// Takes one record apart, field by field. Every step returns false once something is wrong; what
/// it was stands in reason and advice then.
class Fields {
 public:
  explicit Fields(std::string_view line) : line_(line) {
    kind_ = line_.substr(0, line_.find(' '));
    at_ = kind_.size();
  }

  [[nodiscard]] std::string_view kind() const { return kind_; }
  [[nodiscard]] bool AtEnd() const { return at_ == line_.size(); }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const std::string& advice() const { return advice_; }

  bool Fail(std::string reason, std::string_view advice) {
    reason_ = std::move(reason);
    advice_ = advice;
    return false;
  }

  /// Takes the next field, which must be there.
  bool Take(std::string_view what, std::string_view& field) {
    if (AtEnd()) return FailAsForm(std::string(what) + " is missing");
    const std::size_t begin = at_ + 1;
    if (begin == line_.size()) return Fail("the line ends with a space", kOneSpace);
    at_ = std::min(line_.find(' ', begin), line_.size());
    field = line_.substr(begin, at_ - begin);
    if (field.empty()) return Fail("two spaces stand in a row", kOneSpace);
    return true;
  }

  bool TakeNumber(std::string_view what, std::uint64_t& number) {
    std::string_view digits;
    return Take(what, digits) && ToNumber(what, digits, number);
  }

  bool TakeMask(std::string_view what, std::uint64_t& mask) {
    std::string_view digits;
    if (!Take(what, digits)) return false;
    if (!digits.starts_with("0x") || digits.size() == 2) {
      return FailAsForm(std::string(what) + " is not 0x and hexadecimal digits");
    }
    digits.remove_prefix(2);
    mask = 0;
    for (const char c : digits) {
      std::uint64_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<std::uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        digit = static_cast<std::uint64_t>(c - 'a') + 10;
      } else if (c >= 'A' && c <= 'F') {
        digit = static_cast<std::uint64_t>(c - 'A') + 10;
      } else {
        return FailAsForm(std::string(what) + " is not 0x and hexadecimal digits");
      }
      mask = mask << 4 | digit;
    }
    if (digits.size() > 16) {
      return FailAsForm(std::string(what) + " has more than 16 hexadecimal digits");
    }
    return true;
  }

  bool TakeId(std::string_view& id) {
    if (!Take("ID", id)) return false;
    if (!std::all_of(id.begin(), id.end(),
                     [](char c) { return kIsIdCharacter[static_cast<unsigned char>(c)]; })) {
      return FailAsForm("ID has a character other than A-Z a-z 0-9 _ . -");
    }
    if (id.size() > kMaxIdLength) return FailAsForm("ID is longer than 64 characters");
    return true;
  }

  /// Takes `@CPU` if it comes next.
  bool TakeCpu(std::uint32_t& cpu) {
    if (AtEnd() || !line_.substr(at_).starts_with(" @")) return true;
    std::string_view field;
    std::uint64_t number = 0;
    if (!Take("@CPU", field)) return false;
    if (!ToNumber("CPU", field.substr(1), number)) return false;
    if (number > kMaxCpu) return FailAsForm("CPU is larger than " + std::to_string(kMaxCpu));
    cpu = static_cast<std::uint32_t>(number);
    return true;
  }

  /// Takes " =" if anything comes next; expected says whether it did.
  bool TakeEquals(bool& expected) {
    expected = !AtEnd();
    if (!expected) return true;
    std::string_view field;
    if (!Take("=", field)) return false;
    return field == "=" || FailAsForm("there is a field too many");
  }

  /// Takes " none" if it comes next.
  bool TakeNone() {
    const bool none = line_.substr(at_) == " none" || line_.substr(at_).starts_with(" none ");
    if (none) at_ += 5;
    return none;
  }
  /// Takes " bg" if it comes next.
  bool TakeBackground() {
    const bool background = line_.substr(at_) == " bg" || line_.substr(at_).starts_with(" bg ");
    if (background) at_ += 3;
    return background;
  }

  bool End() {
    if (AtEnd()) return true;
    std::string_view field;
    return Take("", field) && FailAsForm("there is a field too many");
  }

  bool FailAsForm(std::string reason) {
    return Fail(std::move(reason), "Write it as: " + std::string(form_) + ".");
  }
  void set_form(std::string_view form) { form_ = form; }

 private:
  bool ToNumber(std::string_view what, std::string_view digits, std::uint64_t& number) {
    constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
    number = 0;
    bool fits = true;
    for (const char c : digits) {
      const auto digit = static_cast<std::uint64_t>(static_cast<unsigned char>(c)) - '0';
      if (digit > 9) return FailAsForm(std::string(what) + " is not a decimal number");
      fits = fits && number <= (kMax - digit) / 10;
      number = number * 10 + digit;
    }
    if (digits.empty()) return FailAsForm(std::string(what) + " is not a decimal number");
    if (digits.size() > 1 && digits[0] == '0') {
      return FailAsForm(std::string(what) + " has a leading zero");
    }
    if (!fits) return FailAsForm(std::string(what) + " is larger than 18446744073709551615");
    return true;
  }

  std::string_view line_;
  std::string_view kind_;
  std::string_view form_;
  std::size_t at_ = 0;  // of the space before the next field, or the line's end
  std::string reason_;
  std::string advice_;
};

class Reader {
 public:
  explicit Reader(Program& program) : program_(program), ids_(program.text) {}

  std::optional<TraceError> Read() {
    const std::string_view text = program_.text;
    if (text.empty()) {
      return TraceError{
          {program_.name, 1, ""}, "the file is empty", "Begin a trace with the line: pagetrace 1."};
    }
    // Exactly what is needed, so that a trace of 10^7 records is not held twice while it is read.
    program_.ops.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')));
    std::optional<TraceError> error;
    std::string_view line;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = text.find('\n', begin);
      ++line_number_;
      line = text.substr(begin, end - begin);
      if (end == std::string_view::npos) {
        error = ErrorIn(line, "the file ends inside this line", kCut);
        break;
      }
      begin = end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty() || line[0] == '#') continue;
      Fields fields(line);
      if (!ReadRecord(fields)) {
        error = ErrorIn(line, fields.reason(), fields.advice());
        LookForGrowth(text.substr(begin));
        break;
      }
    }
    if (!error && !seen_version_) {
      error = ErrorIn(line, "the file ends without a version",
                      "Begin a trace with the line: pagetrace 1.");
    }
    program_.id_count = ids_.size();
    if (!error) ReadBorder();
    return error;
  }

 private:
  bool ReadRecord(Fields& fields) {
    const std::string_view kind = fields.kind();
    if (kind.empty()) return fields.Fail("the line begins with a space", kOneSpace);
    if (kind == "pagetrace") return ReadVersion(fields);
    if (!seen_version_) {
      const bool compressed = kind.starts_with(kZstdMagic);
      return fields.Fail("the first record is not the version",
                         compressed ? "The file is compressed: give it a name that ends in .zst, "
                                      "or decompress it."
                                    : "Begin a trace with the line: pagetrace 1.");
    }
    if (kind == "meta") return ReadMeta(fields);
    if (kind.size() != 1) return FailAsUnknown(fields);
    fields.set_form(FormOf(kind[0]));
    Op op;
    op.line = line_number_;
    if (!ReadOperation(kind[0], fields, op) || !fields.End()) return false;
    program_.ops.push_back(op);
    return true;
  }

  bool ReadVersion(Fields& fields) {
    fields.set_form("pagetrace 1");
    std::string_view version;
    if (!fields.Take("the version", version) || !fields.End()) return false;
    if (seen_version_) {
      return fields.Fail("the version is there a second time",
                         "Keep one only; of traces that were joined, replay each by itself.");
    }
    if (version != "1") {
      return fields.Fail("only version 1 can be read",
                         "Record the trace again as version 1, or replay it with the program that "
                         "wrote it.");
    }
    seen_version_ = true;
    return true;
  }

  bool ReadMeta(Fields& fields) {
    fields.set_form("meta KEY VALUE...");
    if (!program_.ops.empty()) {
      return fields.Fail("a meta record stands after an operation",
                         "Move it up, between the version and the first operation.");
    }
    std::string_view key;
    std::string_view value;
    if (!fields.Take("KEY", key)) return false;
    if (key == "chunk-pages") return ReadChunkPages(fields);
    if (!fields.Take("VALUE", value)) return false;
    if (key == "page-size" && (value != "8192" || !fields.AtEnd())) {
      return fields.End() &&
             fields.Fail("a page is 8192 bytes here", "Convert the trace to pages of that size.");
    }
    if (key == "growth") {
      if (!fields.End()) return false;
      if (value != "explicit") {
        return fields.Fail("growth can only be explicit",
                           "Write it as: meta growth explicit; or leave the line out, for a heap "
                           "that grows on demand.");
      }
      program_.explicit_growth = true;
      return true;
    }
    const char* const begin = value.data();
    while (!fields.AtEnd()) {
      if (!fields.Take("VALUE", value)) return false;
    }
    const char* const end = value.data() + value.size();
    if (value.ends_with('\r')) {
      return fields.Fail("the line ends with two carriage returns",
                         "End it with a line feed, or with one carriage return and a line feed.");
    }
    program_.meta.emplace_back(key, std::string(begin, end));
    return true;
  }

  /// Takes the last `meta measured-from N` for the end of the set-up. One that cannot be that,
  /// since it is no number or larger than the trace, is a note like any other.
  void ReadBorder() {
    const auto last = std::find_if(program_.meta.rbegin(), program_.meta.rend(),
                                   [](const auto& note) { return note.first == "measured-from"; });
    if (last == program_.meta.rend()) return;
    const std::string& text = last->second;
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || text.front() == '0' ||
        number > program_.ops.size()) {
      return;
    }
    program_.measured_from = static_cast<std::size_t>(number);
    program_.meta.erase(std::next(last).base());
  }

  bool ReadChunkPages(Fields& fields) {
    fields.set_form("meta chunk-pages N");
    std::uint64_t pages = 0;
    if (!fields.TakeNumber("N", pages) || !fields.End()) return false;
    if (pages == 0 || pages % 64 != 0) {
      return fields.Fail("a chunk is a multiple of 64 pages",
                         "Name the chunk of the layout that the trace was made on: 512 or 64.");
    }
    program_.chunk_pages = PageCount{pages};
    return true;
  }

  bool ReadOperation(char kind, Fields& fields, Op& op) {
    switch (kind) {
      case 'g':
        op.kind = OpKind::kGrow;
        program_.explicit_growth = true;
        return fields.TakeNumber("OFF", op.at.raw) && fields.TakeNumber("N", op.count.raw);
      case 'a':
        return ReadAllocate(fields, op);
      case 'f': {
        op.kind = OpKind::kFree;
        std::string_view id;
        if (!fields.TakeId(id) || !fields.End()) return false;
        op.id = ids_.NumberOf(id);
        return true;
      }
      case 'r':
        op.kind = OpKind::kAllocateRange;
        return fields.TakeNumber("OFF", op.at.raw) && fields.TakeNumber("N", op.count.raw);
      case 'u':
        op.kind = OpKind::kFreeRange;
        return fields.TakeNumber("OFF", op.at.raw) && fields.TakeNumber("N", op.count.raw);
      case 'c':
        return ReadTakeCache(fields, op);
      case 'k':
        op.kind = OpKind::kReturnCache;
        return fields.TakeNumber("OFF", op.at.raw) && fields.TakeMask("MASK", op.mask) &&
               (fields.AtEnd() || fields.TakeMask("SCAVMASK", op.count.raw));
      case 's':
        return ReadScavenge(fields, op);
      case 'n':
        op.kind = OpKind::kNextGeneration;
        return true;
      default:
        return FailAsUnknown(fields);
    }
  }

  bool ReadAllocate(Fields& fields, Op& op) {
    op.kind = OpKind::kAllocate;
    std::string_view id;
    bool expected = false;
    if (!fields.TakeId(id) || !fields.TakeNumber("N", op.count.raw) || !fields.TakeCpu(op.cpu) ||
        !fields.TakeEquals(expected)) {
      return false;
    }
    if (expected) {
      op.expect = fields.TakeNone() ? Expect::kNone : Expect::kResult;
      if (op.expect == Expect::kResult && !fields.TakeNumber("OFF", op.at.raw)) return false;
    }
    if (!fields.End()) return false;
    op.id = ids_.NumberOf(id);
    return true;
  }

  static bool ReadTakeCache(Fields& fields, Op& op) {
    op.kind = OpKind::kTakeCache;
    bool expected = false;
    if (!fields.TakeEquals(expected)) return false;
    if (!expected) return true;
    op.expect = fields.TakeNone() ? Expect::kNone : Expect::kResult;
    return op.expect == Expect::kNone ||
           (fields.TakeNumber("OFF", op.at.raw) && fields.TakeMask("MASK", op.mask));
  }

  static bool ReadScavenge(Fields& fields, Op& op) {
    op.kind = OpKind::kScavenge;
    if (!fields.TakeNumber("N", op.count.raw)) return false;
    op.background = fields.TakeBackground();
    bool expected = false;
    if (!fields.TakeEquals(expected)) return false;
    if (!expected) return true;
    op.expect = Expect::kResult;
    return fields.TakeNumber("N", op.mask);
  }

  static bool FailAsUnknown(Fields& fields) {
    return fields.Fail("there is no such record",
                       "Records are g, a, f, r, u, c, k, s, n, and before them meta.");
  }

  /// A `g` anywhere in a file says how its heap grows, so it matters to the operations before a
  /// mistake even where it stands after it.
  void LookForGrowth(std::string_view rest) {
    if (rest.starts_with("g ") || rest.find("\ng ") != std::string_view::npos) {
      program_.explicit_growth = true;
    }
  }

  [[nodiscard]] TraceError ErrorIn(std::string_view line, std::string_view reason,
                                   std::string_view advice) const {
    return TraceError{{program_.name, std::max<std::uint64_t>(line_number_, 1), std::string(line)},
                      std::string(reason),
                      std::string(advice)};
  }

  Program& program_;
  IdTable ids_;
  std::uint32_t line_number_ = 0;
  bool seen_version_ = false;
};

}  // namespace

ParsedTrace ParseTrace(std::string name, std::string text) {
  ParsedTrace trace;
  trace.program.name = std::move(name);
  if (text.size() > kMaxTraceBytes) {
    trace.error = TraceError{{trace.program.name, 1, text.substr(0, text.find('\n'))},
                             "the trace has 4 GiB of text or more",
                             "Cut it into several traces."};
    return trace;
  }
  trace.program.text = std::move(text);
  trace.error = Reader(trace.program).Read();
  return trace;
}

}  // namespace pagealloc::bench
