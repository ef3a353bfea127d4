#include "load_target.h"

#include <charconv>
#include <stdexcept>

namespace weft::tools {

namespace {

constexpr std::string_view scheme = "http://";

bool is_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, port);
  return error == std::errc{} && stopped == end && port > 0;
}

std::string_view without_brackets(std::string_view host) noexcept {
  const bool has_brackets = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  return has_brackets ? host.substr(1, host.size() - 2) : host;
}

}  // namespace

load_target load_target::parse(std::string_view text) {
  const bool is_http = text.starts_with(scheme);
  std::string_view place = is_http ? text.substr(scheme.size()) : text;
  const std::size_t slash = place.find('/');
  const std::string path(slash == std::string_view::npos ? "/" : place.substr(slash));
  if (is_http) place = place.substr(0, slash);

  const std::size_t colon = place.rfind(':');
  const bool has_port = colon != std::string_view::npos && !place.ends_with(']');
  const std::string_view host = place.substr(0, has_port ? colon : place.size());
  const std::string_view port = has_port ? place.substr(colon + 1) : is_http ? "80" : "";
  if (host.empty() || !is_port(port) || path.find_first_of(" \r\n") != std::string::npos) {
    throw std::invalid_argument('"' + std::string(text) +
                                "\" is neither HOST:PORT nor http://HOST:PORT/PATH");
  }
  load_target target{.name = std::string(text),
                     .host = std::string(without_brackets(host)),
                     .port = std::string(port),
                     .http_request = {}};
  if (is_http) {
    target.http_request = "GET " + path + " HTTP/1.1\r\nHost: " + std::string(place) + "\r\n\r\n";
  }
  return target;
}

}  // namespace weft::tools
