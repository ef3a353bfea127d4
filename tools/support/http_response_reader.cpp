#include "http_response_reader.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace weft::tools {

namespace {

constexpr std::size_t head_bytes_max = 16 * 1024;
constexpr std::string_view line_end = "\r\n";
constexpr std::string_view end_of_head = "\r\n\r\n";

[[noreturn]] void fail(const std::string& reason) {
  throw std::runtime_error(reason);
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool starts_with_name(std::string_view line, std::string_view lower_case) noexcept {
  return line.size() > lower_case.size() && line[lower_case.size()] == ':' &&
         std::ranges::equal(line.substr(0, lower_case.size()), lower_case, {}, lower);
}

std::string_view value_of(std::string_view line) noexcept {
  line.remove_prefix(line.find(':') + 1);
  const std::size_t first = line.find_first_not_of(' ');
  return first == std::string_view::npos ? std::string_view() : line.substr(first);
}

void check_status(std::string_view line) {
  const bool is_http = line.starts_with("HTTP/1.") && line.size() >= 12;
  if (!is_http) fail("the answer is not HTTP/1.1");
  const std::string_view status = line.substr(9, 3);
  if (status != "200") fail("status " + std::string(status));
}

}  // namespace

void http_response_reader::restart() noexcept {
  *this = {};
}

void http_response_reader::feed(std::string_view bytes) {
  if (!in_body_) {
    if (held_.empty()) {
      bytes.remove_prefix(read_head(bytes));
    } else {
      const std::string joined = std::exchange(held_, {}) + std::string(bytes);
      const std::size_t used = read_head(joined);
      bytes.remove_prefix(bytes.size() - (joined.size() - used));
    }
  }
  if (bytes.size() > body_left_) fail("more bytes than Content-Length says");
  body_left_ -= bytes.size();
}

/// Gives how much of the input is used: the head, or all of it while the head is incomplete.
std::size_t http_response_reader::read_head(std::string_view input) {
  const std::size_t end = input.find(end_of_head);
  if (end == std::string_view::npos) {
    if (input.size() > head_bytes_max) fail("a response head of more than 16 KiB");
    held_ = input;
    return input.size();
  }
  std::size_t line = input.find(line_end);
  check_status(input.substr(0, line));
  while (line < end) {
    const std::size_t begin = line + line_end.size();
    line = input.find(line_end, begin);
    read_field(input.substr(begin, line - begin));
  }
  if (!has_length_) fail("a response without Content-Length");
  in_body_ = true;
  return end + end_of_head.size();
}

void http_response_reader::read_field(std::string_view line) {
  if (starts_with_name(line, "content-length")) {
    const std::string_view value = value_of(line);
    const char* const end = value.data() + value.size();
    const auto [stopped, error] = std::from_chars(value.data(), end, body_left_);
    if (error != std::errc{} || stopped != end) fail("a response with a bad Content-Length");
    has_length_ = true;
  } else if (starts_with_name(line, "connection")) {
    closes_ = std::ranges::equal(value_of(line), std::string_view("close"), {}, lower);
  }
}

}  // namespace weft::tools
