#include "http_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace weft::tools {

namespace {

constexpr int bad_request = 400;
constexpr int length_required = 411;
constexpr int body_too_long = 413;
constexpr int request_line_too_long = 414;
constexpr int expectation_failed = 417;
constexpr int head_too_long = 431;
constexpr int not_implemented = 501;
constexpr int version_not_supported = 505;

constexpr std::string_view line_end = "\r\n";

// ---- Which bytes may stand where ----------------------------------------------------------------

using byte_set = std::array<bool, 256>;

constexpr byte_set set_of(std::string_view extra, bool with_letters_and_digits) {
  byte_set set{};
  for (const char c : extra) set[static_cast<unsigned char>(c)] = true;
  if (!with_letters_and_digits) return set;
  for (int c = '0'; c <= '9'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) set[static_cast<std::size_t>(c)] = true;
  return set;
}

constexpr byte_set range_of(int first, int last, std::string_view extra, std::string_view without) {
  byte_set set = set_of(extra, false);
  for (int c = first; c <= last; ++c) set[static_cast<std::size_t>(c)] = true;
  for (const char c : without) set[static_cast<unsigned char>(c)] = false;
  return set;
}

constexpr byte_set token_bytes = set_of("!#$%&'*+-.^_`|~", true);
constexpr byte_set target_bytes = range_of(0x21, 0x7e, "", "#");
constexpr byte_set value_bytes = range_of(0x20, 0xff, "\t", "\x7f");
constexpr byte_set head_bytes = range_of(0x20, 0xff, "\t\r\n", "\x7f");
constexpr byte_set host_bytes = set_of("-._~!$&'()*+,;=:[]%", true);

bool consists_of(std::string_view text, const byte_set& allowed) noexcept {
  return std::ranges::all_of(text, [&](char c) { return allowed[static_cast<unsigned char>(c)]; });
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && consists_of(text, token_bytes);
}

// ---- Small pieces of text -----------------------------------------------------------------------

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_ignoring_case(std::string_view text, std::string_view lower_case) noexcept {
  return std::ranges::equal(text, lower_case, {}, lower);
}

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Takes the text before `separator` off the front; all of it if there is none.
std::string_view take_until(std::string_view& text, std::string_view separator) noexcept {
  const std::size_t end = text.find(separator);
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
  return front;
}

// ---- The request line ---------------------------------------------------------------------------

int read_version(std::string_view version, http_request& request) noexcept {
  const bool is_version = version.size() == 8 && version.starts_with("HTTP/") &&
                          version[5] >= '0' && version[5] <= '9' && version[6] == '.' &&
                          version[7] >= '0' && version[7] <= '9';
  if (!is_version) return bad_request;
  if (version[5] != '1') return version_not_supported;
  request.is_version_1_0 = version[7] == '0';
  return 0;
}

/// The authority and path of "http://authority/path"; nothing if it is not of that form.
std::optional<std::string_view> split_absolute(std::string_view& target) noexcept {
  constexpr std::string_view scheme = "http://";
  if (!same_ignoring_case(target.substr(0, scheme.size()), scheme)) return std::nullopt;
  target.remove_prefix(scheme.size());
  const std::size_t end = target.find_first_of("/?");
  const std::string_view authority = target.substr(0, end);
  target.remove_prefix(authority.size());
  return authority;
}

/// Reads the target's path. The host of an absolute target says the same as the Host field or, if
/// not, more than that (RFC 9112 3.2.2); here all hosts have the same routes.
int read_target(std::string_view target, http_request& request) noexcept {
  if (target.empty() || !consists_of(target, target_bytes)) return bad_request;
  if (request.method == "CONNECT") {
    request.path = target;
    return target.starts_with('/') ? bad_request : 0;
  }
  if (target == "*" && request.method == "OPTIONS") {
    request.path = target;
    return 0;
  }
  if (const auto authority = split_absolute(target)) {
    if (authority->empty() || !consists_of(*authority, host_bytes)) return bad_request;
    if (!target.starts_with('/')) {  // no path: "http://host" or "http://host?query"
      request.path = "/";
      return 0;
    }
  }
  if (!target.starts_with('/')) return bad_request;
  request.path = target.substr(0, target.find('?'));
  return 0;
}

int read_request_line(std::string_view line, http_request& request) noexcept {
  request.method = take_until(line, " ");
  if (!is_token(request.method)) return bad_request;
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos) return bad_request;  // HTTP/0.9 had no version
  if (const int refusal = read_version(line.substr(space + 1), request)) return refusal;
  return read_target(line.substr(0, space), request);
}

// ---- The fields that matter ---------------------------------------------------------------------

struct framing {
  bool asks_close = false;
  bool asks_keep_alive = false;
  bool has_host = false;
  bool has_length = false;
  bool has_encoding = false;
  bool is_chunked = false;   // "chunked" is the last coding
  bool was_chunked = false;  // "chunked" stood before it
  bool has_other_coding = false;
};

int read_length(std::string_view value, http_request& request, framing& seen) noexcept {
  if (seen.has_length) return bad_request;
  seen.has_length = true;
  // from_chars alone would take a sign or stop early.
  const char* const end = value.data() + value.size();
  if (value.empty() || value.front() < '0' || value.front() > '9') return bad_request;
  const auto [stopped, error] = std::from_chars(value.data(), end, request.body_bytes);
  return error == std::errc{} && stopped == end ? 0 : bad_request;
}

int read_encoding(std::string_view value, framing& seen) noexcept {
  seen.has_encoding = true;
  if (value.empty()) return bad_request;
  while (!value.empty()) {
    const bool ends_with_comma = value.ends_with(',');
    const std::string_view coding = trimmed(take_until(value, ","));
    if (coding.empty() || (value.empty() && ends_with_comma)) return bad_request;
    seen.was_chunked = seen.was_chunked || seen.is_chunked;
    seen.is_chunked = same_ignoring_case(coding, "chunked");
    seen.has_other_coding = seen.has_other_coding || !seen.is_chunked;
  }
  return 0;
}

int read_host(std::string_view value, framing& seen) noexcept {
  if (seen.has_host || !consists_of(value, host_bytes)) return bad_request;
  seen.has_host = true;
  return 0;
}

int read_connection(std::string_view value, framing& seen) noexcept {
  while (!value.empty()) {
    const std::string_view choice = trimmed(take_until(value, ","));
    seen.asks_close = seen.asks_close || same_ignoring_case(choice, "close");
    seen.asks_keep_alive = seen.asks_keep_alive || same_ignoring_case(choice, "keep-alive");
  }
  return 0;
}

int read_expect(std::string_view value, http_request& request) noexcept {
  request.expects_continue = same_ignoring_case(value, "100-continue");
  return request.expects_continue ? 0 : expectation_failed;
}

int read_field(std::string_view line, http_request& request, framing& seen) noexcept {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad_request;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_token(name) || !consists_of(value, value_bytes)) return bad_request;

  switch (name.size()) {  // most fields are told apart by their length alone
    case 4:
      return same_ignoring_case(name, "host") ? read_host(value, seen) : 0;
    case 6:
      return same_ignoring_case(name, "expect") ? read_expect(value, request) : 0;
    case 10:
      return same_ignoring_case(name, "connection") ? read_connection(value, seen) : 0;
    case 14:
      return same_ignoring_case(name, "content-length") ? read_length(value, request, seen) : 0;
    case 17:
      return same_ignoring_case(name, "transfer-encoding") ? read_encoding(value, seen) : 0;
    default:
      return 0;
  }
}

// ---- What they say together ---------------------------------------------------------------------

/// A body whose length is not known from the head is never read here: refused as RFC 9112 6.1, 6.3
/// ask for.
int refuse_encoding(const http_request& request, const framing& seen) noexcept {
  if (!seen.has_encoding) return 0;
  if (seen.has_length || request.is_version_1_0 || seen.was_chunked) return bad_request;
  if (seen.has_other_coding) return not_implemented;
  return length_required;
}

int read_fields(std::string_view rest, const http_limits& limits, http_request& request,
                framing& seen) noexcept {
  for (std::size_t count = 0;; ++count) {
    const std::size_t end = rest.find('\r');
    if (end == std::string_view::npos || rest.substr(end, 2) != line_end) return bad_request;
    if (end == 0) return 0;  // the empty line
    if (count == limits.fields) return head_too_long;
    if (const int refusal = read_field(rest.substr(0, end), request, seen)) return refusal;
    rest.remove_prefix(end + line_end.size());
  }
}

int read_head(std::string_view head, const http_limits& limits, http_request& request) noexcept {
  const std::size_t end = head.find('\r');
  if (end > limits.request_line_bytes) return request_line_too_long;
  if (head.substr(end, 2) != line_end) return bad_request;
  framing seen;
  if (const int refusal = read_request_line(head.substr(0, end), request)) return refusal;
  const std::string_view fields = head.substr(end + line_end.size());
  if (const int refusal = read_fields(fields, limits, request, seen)) return refusal;
  request.keep_alive = !seen.asks_close && (!request.is_version_1_0 || seen.asks_keep_alive);
  if (!seen.has_host && !request.is_version_1_0) return bad_request;
  if (const int refusal = refuse_encoding(request, seen)) return refusal;
  return request.body_bytes > limits.body_bytes ? body_too_long : 0;
}

}  // namespace

http_request parse_head(std::string_view head, const http_limits& limits) noexcept {
  http_request request;
  request.refusal =
      head.size() > limits.head_bytes ? head_too_long : read_head(head, limits, request);
  return request;
}

int refuse_early(std::string_view partial, std::size_t from, const http_limits& limits) noexcept {
  for (std::size_t i = from; i < partial.size(); ++i) {
    const char c = partial[i];
    if (!head_bytes[static_cast<unsigned char>(c)]) return bad_request;
    const bool after_return = i > 0 && partial[i - 1] == '\r';
    if ((c == '\n') != after_return) return bad_request;
  }
  const std::size_t line = partial.find(line_end);
  if (std::min(line, partial.size()) > limits.request_line_bytes) return request_line_too_long;
  return partial.size() > limits.head_bytes ? head_too_long : 0;
}

}  // namespace weft::tools
