#include "server_options.h"

#include "arguments.h"

#include <string_view>

namespace weft::tools {

void add_options(arguments& line, server_settings& into) {
  line.custom(
      "--listen", "ADDR", [&into](std::string_view text) { into.listen = socket_address(text); },
      "address to listen on, default " + into.listen.to_string() + "; port 0: any");
  line.number("--workers", "N", into.workers, {0, 1024},
              "threads that run tasks, default 0: one for each usable CPU");
  line.seconds("--drain", "SECONDS", into.drain,
               "how long open connections may go on after SIGTERM, default 10");
  line.text("--ledger", "FILE", into.ledger, "write at exit what is still alive, as JSON");
}

}  // namespace weft::tools
