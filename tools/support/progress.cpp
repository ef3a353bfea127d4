#include "progress.h"

#include <iostream>

#include <unistd.h>

namespace weft::tools {

namespace {

constexpr std::string_view to_line_start = "\r\x1b[K";  // and clear the line

}  // namespace

progress_line::progress_line(mode chosen) noexcept : mode_(chosen), is_terminal_(is_terminal()) {}

progress_line::~progress_line() {
  if (mode_ == mode::on && is_terminal_) std::cerr << to_line_start << std::flush;
}

void progress_line::show(std::string_view text) {
  if (mode_ == mode::off) return;
  if (is_terminal_) {
    std::cerr << to_line_start << text << std::flush;
  } else {
    std::cerr << text << std::endl;
  }
}

bool progress_line::is_terminal() noexcept {
  return ::isatty(STDERR_FILENO) == 1;
}

}  // namespace weft::tools
