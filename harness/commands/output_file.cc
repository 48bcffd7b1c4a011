#include "harness/commands/output_file.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "harness/files/write_file.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

absl::Status AsFileError(const absl::Status& status) {
  if (status.ok()) return status;
  return FileError(absl::StrCat(std::string(status.message()), ". Choose another place."));
}

}  // namespace

void AddOutputFlags(CLI::App& app, OutputFlags& flags) {
  app.add_option("-o,--out", flags.out, "write to this file, not to standard output")
      ->type_name("FILE")
      ->group("Output");
  app.add_flag("--force", flags.force, "replace the file if it exists")->group("Output");
}

absl::Status MayWriteOutput(const OutputFlags& flags) {
  if (flags.out.empty()) return absl::OkStatus();
  struct stat about {};
  if (stat(flags.out.c_str(), &about) == 0) {
    if (!S_ISREG(about.st_mode)) {
      return FileError(absl::StrCat("cannot write ", flags.out,
                                    ": it is no plain file. For standard output leave -o out."));
    }
    if (!flags.force) {
      return FileError(
          absl::StrCat("cannot write ", flags.out, ": it exists. Choose another name or --force."));
    }
  }
  return AsFileError(CanWrite(flags.out));
}

absl::Status WriteOutput(const OutputFlags& flags, std::string_view text) {
  return flags.out.empty() ? WriteResult(text) : AsFileError(WriteTextFile(flags.out, text));
}

}  // namespace pagealloc::bench
