#include "resolve.h"

#include "../runtime/error.h"
#include "../runtime/to_thread.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <netdb.h>

namespace weft {
namespace {

class eai_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "resolve"; }
  [[nodiscard]] std::string message(int value) const override { return ::gai_strerror(value); }
};

struct address_list_deleter {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using address_list = std::unique_ptr<addrinfo, address_list_deleter>;

const char* or_null(const std::string& text) noexcept {
  return text.empty() ? nullptr : text.c_str();
}

/// Waits, perhaps for seconds: on the threads for it only.
std::vector<socket_address> look_up(const std::string& host, const std::string& service) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // or each address comes once for each type
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), or_null(service), &hints, &found);
  if (failed == EAI_SYSTEM) detail::throw_system_error(errno, "resolve " + host);
  if (failed != 0) throw std::system_error(failed, resolve_category(), "resolve " + host);
  const address_list list(found);
  std::vector<socket_address> addresses;
  for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
    const socket_address address(each->ai_addr, each->ai_addrlen);
    const bool is_new = std::find(addresses.begin(), addresses.end(), address) == addresses.end();
    if (is_new && address.family() != address_family::none) addresses.push_back(address);
  }
  return addresses;
}

/// What needs no look-up: a numeric address and a numeric port.
std::optional<socket_address> numeric(std::string_view host, std::string_view service) noexcept {
  std::uint16_t port = 0;
  const char* const end = service.data() + service.size();
  const auto [stop, error] = std::from_chars(service.data(), end, port);
  if (!service.empty() && (error != std::errc() || stop != end)) return std::nullopt;
  return socket_address::from_host(host, port);
}

task<std::vector<socket_address>> resolve_owned(std::string host, std::string service) {
  if (const auto address = numeric(host, service)) co_return std::vector{*address};
  co_return co_await detail::to_look_up_thread(look_up, std::move(host), std::move(service));
}

}  // namespace

const std::error_category& resolve_category() noexcept {
  static const eai_category category;
  return category;
}

task<std::vector<socket_address>> resolve(std::string_view host, std::string_view service) {
  for (const std::string_view text : {host, service}) {
    if (text.find('\0') != std::string_view::npos)
      throw std::invalid_argument("resolve: a NUL in \"" + std::string(text) + "\"");
  }
  return resolve_owned(std::string(host), std::string(service));
}

}  // namespace weft
