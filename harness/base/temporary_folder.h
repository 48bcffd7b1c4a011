/// temporary_folder.h: a folder of one's own under $TMPDIR (or /tmp), removed with all that is in
/// it.
///
/// The name always has the same length, so that a program that is started with it does not see
/// another stack from call to call. A signal that ends the process leaves the folder: whoever makes
/// one lets interrupts only ask for the end (run/interrupts.h).
#pragma once

#include <string>
#include <system_error>

namespace pagealloc::bench {

class TemporaryFolder {
 public:
  /// Makes the folder. It failed if error() is set; path() then says which one.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::error_code& error() const { return error_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// A name in the folder.
  [[nodiscard]] std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  std::error_code error_;
};

}  // namespace pagealloc::bench
