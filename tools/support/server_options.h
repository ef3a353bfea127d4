#pragma once

#include <weft/net/address.h>

#include <chrono>
#include <cstddef>
#include <string>

namespace weft::tools {

class arguments;

/// What every server of this folder can be told.
struct server_settings {
  socket_address listen;
  std::size_t workers = 0;  // one for each usable CPU
  std::chrono::milliseconds drain{10'000};
  std::string ledger = {};  // empty: none
};

/// `--listen`, `--workers`, `--drain` and `--ledger`.
void add_options(arguments& line, server_settings& into);

/// The first line of every server: "listening on IP:PORT". Throws when it cannot be written, and
/// std::system_error when no descriptor is left for even one connection.
void announce(const socket_address& listening);

}  // namespace weft::tools
