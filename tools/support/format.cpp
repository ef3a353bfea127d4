#include "format.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

namespace weft::tools {

namespace {

/// Three significant digits, as many as one can use.
std::string three_digits(double value) {
  const int after_point = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fixed(value, after_point);
}

}  // namespace

std::string grouped(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string fixed(double value, int digits) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return {text.data(), std::min(static_cast<std::size_t>(size), text.size() - 1)};
}

std::string short_time(std::chrono::nanoseconds value) {
  const auto ns = static_cast<double>(value.count());
  if (ns < 1e3) return std::to_string(value.count()) + " ns";
  if (ns < 1e6) return three_digits(ns / 1e3) + " us";
  if (ns < 1e9) return three_digits(ns / 1e6) + " ms";
  return three_digits(ns / 1e9) + " s";
}

std::string json_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (code < 0x20) {
      std::array<char, 8> escape{};
      (void)std::snprintf(escape.data(), escape.size(), "\\u%04x", code);
      quoted += escape.data();
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

void print_table(std::ostream& out, const std::vector<table_row>& rows) {
  std::size_t label = 0;
  std::size_t value = 0;
  for (const table_row& row : rows) {
    if (row.value.empty()) continue;
    label = std::max(label, row.label.size());
    value = std::max(value, row.value.size());
  }
  for (const table_row& row : rows) {
    if (row.value.empty()) {
      out << row.label << '\n';
      continue;
    }
    out << "  " << row.label << std::string(label - row.label.size() + 3, ' ')
        << std::string(value - row.value.size(), ' ') << row.value << '\n';
  }
}

}  // namespace weft::tools
