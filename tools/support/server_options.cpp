#include "server_options.h"

#include "arguments.h"
#include "program.h"

#include <cerrno>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace weft::tools {

namespace {

socket_address read_listen_address(std::string_view text) {
  const std::optional<socket_address> address = socket_address::try_parse(text);
  const bool is_ip = address && (address->family() == address_family::ipv4 ||
                                 address->family() == address_family::ipv6);
  if (is_ip) return *address;
  throw std::invalid_argument('"' + std::string(text) +
                              "\" is not IP:PORT, such as 127.0.0.1:8080 or [::1]:0");
}

void require_one_more_descriptor() {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "accept");
  (void)::close(fd);
}

}  // namespace

void add_options(arguments& line, server_settings& into) {
  line.custom(
      "--listen", "IP:PORT",
      [&into](std::string_view text) { into.listen = read_listen_address(text); },
      "where to listen, default " + into.listen.to_string() + "; port 0: any");
  line.workers(into.workers, "threads that run tasks");
  line.seconds("--drain", "SECONDS", into.drain,
               "how long open connections may go on after SIGTERM, default 10");
  line.text("--ledger", "FILE", into.ledger, "write at exit what is still alive, as JSON");
}

void announce(const socket_address& listening) {
  require_one_more_descriptor();
  std::cout << "listening on " << listening.to_string() << std::endl;
  require_output();
}

}  // namespace weft::tools
