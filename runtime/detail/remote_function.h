#pragma once

// Functions that other processes of the same program can call, and the calls.
//
// A process of a pool is this very program, started anew with one end of a socket as its stdin and
// a variable in its environment. It runs main() like any other; at the first runtime it finds that
// it is asked to serve, and does so until the other end of the socket is gone. Functions are known
// by the name under which both processes have registered them before that.
//
//   request   name, arguments
//   reply     outcome (one byte), then the value or the text of an exception
//   message   its size (8 bytes), then itself
//
// Rejected: fork without exec (locks that other threads hold at that moment stay locked in the
// child for ever; a program with workers always has some), and addresses in place of names (they
// differ between processes, and say nothing when they are wrong).

#include "wire.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::detail {

/// One of a list of all functions of the process, from its construction to its end.
class remote_function {
 public:
  /// Reads the arguments, calls the function, and writes its value.
  using serve_function = void (*)(const remote_function& self, wire_reader& arguments,
                                  wire_writer& value);

  /// Throws std::logic_error when the name is taken.
  remote_function(std::string_view name, serve_function serve);
  remote_function(const remote_function&) = delete;
  remote_function& operator=(const remote_function&) = delete;
  ~remote_function();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Calls the function that a request names, and gives the reply.
  static std::string answer(std::string_view request);

 private:
  std::string name_;                 // immutable
  serve_function serve_;             // immutable
  remote_function* next_ = nullptr;  // guarded by the mutex of the list
};

enum class remote_outcome : std::uint8_t { value, exception, unknown_name };

/// Waits with the thread. 0 or an errno; ECONNRESET at the end of the stream.
int send_message(int socket, std::string_view message) noexcept;
int receive_message(int socket, std::string& message);

/// What tells a process that it is one of a pool.
inline constexpr const char* pool_variable = "WEFT_PROCESS_POOL";

/// Serves, and never returns, in a process of a pool; returns at once in any other.
void serve_if_pool_process();

}  // namespace weft::detail
