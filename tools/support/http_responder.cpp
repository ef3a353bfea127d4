#include "http_responder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace weft::tools {

namespace {

constexpr std::string_view end_of_head = "\r\n\r\n";
constexpr std::string_view sleep_prefix = "/sleep/";

// The answers of the fast path, up to where the date goes.
constexpr std::string_view plaintext_body = "Hello, World!";
constexpr std::string_view plaintext_head =
    "HTTP/1.1 200 OK\r\nServer: weft\r\nContent-Type: text/plain\r\nContent-Length: 13\r\nDate: ";
static_assert(plaintext_body.size() == 13);

constexpr std::string_view json_body = R"({"message":"Hello, World!"})";
constexpr std::string_view json_head =
    "HTTP/1.1 200 OK\r\nServer: weft\r\nContent-Type: application/json\r\nContent-Length: 27\r\n"
    "Date: ";
static_assert(json_body.size() == 27);

std::string_view reason(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Error";
  }
}

std::string text_head(int status, std::string_view body) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + ' ';
  head += reason(status);
  head += "\r\nServer: weft\r\nContent-Type: text/plain\r\nContent-Length: ";
  head += std::to_string(body.size());
  if (status == 405) head += "\r\nAllow: GET, HEAD";
  head += "\r\nDate: ";
  return head;
}

/// The MS of "/sleep/MS"; nothing if it is no number.
std::optional<std::chrono::milliseconds> sleep_length(std::string_view path) noexcept {
  if (!path.starts_with(sleep_prefix)) return std::nullopt;
  path.remove_prefix(sleep_prefix.size());
  std::uint32_t value = 0;
  const char* const end = path.data() + path.size();
  const auto [stopped, error] = std::from_chars(path.data(), end, value);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return std::chrono::milliseconds(value);
}

/// A method that some resource might have; others are 501 here.
bool is_known_method(std::string_view method) noexcept {
  constexpr std::array<std::string_view, 5> known{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
  return std::ranges::find(known, method) != known.end();
}

bool is_known(std::string_view path) noexcept {
  return path == "/plaintext" || path == "/json" || path == "*" || sleep_length(path);
}

}  // namespace

http_next http_responder::feed(std::string_view bytes, http_moment now, std::string& out) {
  return run(bytes, now, out);
}

http_next http_responder::resume(http_moment now, std::string& out) {
  next_ = http_next::read;
  const std::string body = "slept " + std::to_string(pause_.count()) + " ms\n";
  append(text_head(200, body), body, paused_, now, out);
  return run({}, now, out);
}

void http_responder::time_out(http_moment now, std::string& out) {
  if (is_inside_request()) refuse(408, {}, now, out);
  next_ = http_next::close;
}

http_next http_responder::run(std::string_view fresh, http_moment now, std::string& out) {
  // Usually nothing is held, and whole requests are answered out of the caller's buffer.
  std::string joined;
  if (!held_.empty()) joined = std::move(held_.append(fresh));
  held_ = {};
  const std::string_view input = joined.empty() ? fresh : joined;
  const std::string_view rest = input.substr(answer_all(input, now, out));

  if (next_ == http_next::close) {
    linger_ = linger_ || !rest.empty() || body_left_ > 0;
  } else if (rest.size() == joined.size()) {
    held_ = std::move(joined);
  } else {
    held_ = rest;
  }
  return next_;
}

std::size_t http_responder::answer_all(std::string_view input, http_moment now, std::string& out) {
  std::size_t used = 0;
  while (next_ == http_next::read && used < input.size()) {
    const std::string_view rest = input.substr(used);
    const std::size_t count = body_left_ > 0 ? skip_body(rest) : answer_next(rest, now, out);
    if (count == 0) break;
    used += count;
  }
  return used;
}

std::size_t http_responder::skip_body(std::string_view input) noexcept {
  const std::uint64_t count = std::min<std::uint64_t>(body_left_, input.size());
  body_left_ -= count;
  return count;
}

/// Answers the request at the front of the input and gives its size; 0 while it is incomplete.
std::size_t http_responder::answer_next(std::string_view input, http_moment now, std::string& out) {
  if (input.starts_with("\r\n") && !after_empty_line_) {
    after_empty_line_ = true;
    looked_at_ = 0;
    return 2;
  }
  const std::size_t from = looked_at_ < end_of_head.size() ? 0 : looked_at_ - end_of_head.size();
  const std::size_t end = input.find(end_of_head, from);
  if (end == std::string_view::npos) {
    keep_looking(input, now, out);
    return 0;
  }
  looked_at_ = 0;
  after_empty_line_ = false;
  const std::string_view head = input.substr(0, end + end_of_head.size());
  answer(parse_head(head, limits), now, out);
  return head.size();
}

void http_responder::keep_looking(std::string_view partial, http_moment now, std::string& out) {
  const bool second_empty_line = after_empty_line_ && partial.starts_with("\r\n");
  const int refusal = second_empty_line ? 400 : refuse_early(partial, looked_at_, limits);
  if (refusal != 0) return refuse(refusal, {}, now, out);
  looked_at_ = static_cast<std::uint32_t>(partial.size());  // bounded by the limits
}

void http_responder::answer(const http_request& request, http_moment now, std::string& out) {
  // A client that waits for "100 Continue" gets its answer instead; whether its body follows is
  // anybody's guess then, so the connection ends.
  const bool body_is_uncertain = request.expects_continue && request.body_bytes > 0;
  const framing form{
      .keep_alive = request.keep_alive && !body_is_uncertain,
      .is_version_1_0 = request.is_version_1_0,
      .head_only = request.method == "HEAD",
  };
  if (request.refusal != 0) return refuse(request.refusal, form, now, out);
  body_left_ = request.body_bytes;
  route(request, form, now, out);
}

void http_responder::route(const http_request& request, framing form, http_moment now,
                           std::string& out) {
  if (request.method != "GET" && !form.head_only) {
    if (!is_known_method(request.method)) return append_status(501, form, now, out);
    return append_status(is_known(request.path) ? 405 : 404, form, now, out);
  }
  if (request.path == "/plaintext") return append(plaintext_head, plaintext_body, form, now, out);
  if (request.path == "/json") return append(json_head, json_body, form, now, out);
  const auto length = sleep_length(request.path);
  if (!length) return append_status(404, form, now, out);
  if (*length > longest_pause) return append_status(400, form, now, out);
  pause_ = *length;
  paused_ = form;
  next_ = http_next::pause;
}

void http_responder::append(std::string_view head, std::string_view body, framing form,
                            http_moment now, std::string& out) {
  out += head;
  out += now.date;
  if (!form.keep_alive || now.is_closing) {
    out += "\r\nConnection: close";
    next_ = http_next::close;
  } else if (form.is_version_1_0) {
    out += "\r\nConnection: keep-alive";
  }
  out += end_of_head;
  if (!form.head_only) out += body;
}

void http_responder::append_status(int status, framing form, http_moment now, std::string& out) {
  const std::string body = std::string(reason(status)) + '\n';
  append(text_head(status, body), body, form, now, out);
}

void http_responder::refuse(int status, framing form, http_moment now, std::string& out) {
  form.keep_alive = false;
  linger_ = true;
  append_status(status, form, now, out);
}

}  // namespace weft::tools
