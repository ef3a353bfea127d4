#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace weft::tools::testing_support {

/// No test waits longer than this for anything.
inline constexpr std::chrono::seconds patience{60};

struct start_options {
  std::vector<int> closed = {};  // of the standard streams: their numbers
  const char* out = nullptr;     // a file that gets the output; null: the test does
  std::size_t descriptors = 0;   // their limit; 0: as the test has it
};

/// The path of one of our programs, or of any other that is named with a slash.
std::string program_path(std::string_view name);

/// What an `--ledger` holds after a clean stop.
inline constexpr std::string_view nothing_alive =
    "{\"tasks\": 0, \"frames\": 0, \"timers\": 0, \"waiters\": 0, \"registrations\": 0, "
    "\"fds\": 0, \"bytes\": 0}\n";

bool contains(std::string_view text, std::string_view part);
std::string read_file(const std::string& path);

/// A GET request, with more fields if there are any ("Name: value\r\n").
std::string get(std::string_view path, std::string_view fields = "");

/// A file that is gone after the test.
class temporary_file {
 public:
  temporary_file();
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// The programs were built, so that tests can start them.
bool programs_are_built();

/// One of our programs, started with its output and errors going to the test.
/// Killed at the end of the test if it still runs.
class running_program {
 public:
  running_program(std::string_view name, std::vector<std::string> words,
                  start_options options = {});
  running_program(const running_program&) = delete;
  running_program& operator=(const running_program&) = delete;
  ~running_program();

  /// Waits for output that begins so; false if the program ends without it.
  bool has_line(std::string_view beginning);

  /// Waits for a whole line of output that begins so, and gives the rest of it.
  std::string line_after(std::string_view beginning);

  /// The port of "listening on IP:PORT", which must be the first line.
  std::string port();

  void send_signal(int signal) const;

  /// Waits for more output or errors; false when both streams have ended.
  bool read_more();

  /// Waits for the end; minus the signal if one ended it.
  int exit_code();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] const std::string& out() const noexcept { return out_; }
  [[nodiscard]] const std::string& errors() const noexcept { return errors_; }

 private:
  pid_t pid_ = -1;
  int out_fd_ = -1;
  int errors_fd_ = -1;
  std::string out_;
  std::string errors_;
  std::optional<int> exit_code_;
};

/// What a program printed and how it ended.
struct finished_program {
  int exit_code;
  std::string out;
  std::string errors;
};
finished_program run_program(std::string_view name, std::vector<std::string> words,
                             start_options options = {});

/// A TCP connection to a program on this machine, with plain blocking calls.
class test_client {
 public:
  /// Connects; is_open() is false if it was refused.
  explicit test_client(const std::string& port);
  test_client(const test_client&) = delete;
  test_client& operator=(const test_client&) = delete;
  ~test_client();

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  void send(std::string_view bytes) const;
  [[nodiscard]] std::string receive(std::size_t count) const;
  [[nodiscard]] std::string receive_until(std::string_view end) const;
  [[nodiscard]] std::string receive_all() const;
  void close();
  /// Sends no more; what was sent arrives.
  void shutdown_write() const;
  /// Fills the connection with bytes until it takes no more.
  void flood(std::string_view bytes) const;
  /// Closes it with a reset.
  void reset();

 private:
  [[nodiscard]] std::string receive_some(std::size_t at_most) const;

  int fd_ = -1;
};

}  // namespace weft::tools::testing_support
