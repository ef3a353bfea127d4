#pragma once

#include <weft/runtime/metrics.h>

#include <string>

namespace weft::tools {

/// What `--ledger FILE` asks for: at exit, a JSON object that says what of the
/// library is still alive; all zero after a clean stop.
class ledger_file {
 public:
  /// Opens the file, so that a path that cannot be written is noticed at the
  /// start: throws std::system_error that names it. An empty path: write() does
  /// nothing.
  explicit ledger_file(const std::string& path);
  ledger_file(const ledger_file&) = delete;
  ledger_file& operator=(const ledger_file&) = delete;
  ~ledger_file();

  /// Throws std::system_error if it cannot.
  void write(const ledger& alive);

 private:
  std::string path_;
  int fd_ = -1;
};

}  // namespace weft::tools
