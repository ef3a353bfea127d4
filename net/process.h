#pragma once

#include "../runtime/task.h"
#include "buffered.h"
#include "bytes.h"
#include "pipe.h"

#include <concepts>
#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace weft {

/// How a process has ended.
class exit_status {
 public:
  exit_status() noexcept = default;
  explicit exit_status(int code) noexcept : code_(code) {}

  /// What it exited with; minus the number of the signal that ended it.
  [[nodiscard]] int code() const noexcept { return code_; }
  /// The signal that ended it, or 0.
  [[nodiscard]] int signal() const noexcept { return code_ < 0 ? -code_ : 0; }
  [[nodiscard]] bool success() const noexcept { return code_ == 0; }
  friend bool operator==(exit_status, exit_status) noexcept = default;

 private:
  int code_ = 0;
};

/// A program and its arguments, copied: `{"ls", "-l"}`, or any range of strings. A word may hold
/// any character but NUL; nothing is expanded, there is no shell.
class argv {
 public:
  template <class... S>
    requires(sizeof...(S) > 0) && (std::convertible_to<S, std::string_view> && ...)
  argv(S&&... words) {  // NOLINT(google-explicit-constructor): spawn({"ls", "-l"})
    words_.reserve(sizeof...(S));
    (words_.emplace_back(std::string_view(std::forward<S>(words))), ...);
  }
  template <std::ranges::input_range R>
    requires std::convertible_to<std::ranges::range_reference_t<R>, std::string_view> &&
             (!std::convertible_to<R, std::string_view>)
  argv(R&& words) {  // NOLINT(google-explicit-constructor): spawn(words)
    for (auto&& word : words) words_.emplace_back(std::string_view(word));
  }

  [[nodiscard]] const std::vector<std::string>& words() const& noexcept { return words_; }
  [[nodiscard]] std::vector<std::string> words() && noexcept { return std::move(words_); }

 private:
  std::vector<std::string> words_;
};

/// What a process has written.
struct process_output {
  std::string out, err;
};
/// ... and how it has ended.
struct completed_process {
  exit_status status;
  std::string out, err;
};

/// A child process: asyncio.subprocess.Process.
///
/// It begins with its three standard streams and no other descriptor of ours, with no signal
/// blocked, and in the folder and environment that the options say. A handle that is dropped kills
/// a process that still runs, with SIGKILL, and a task of the runtime reaps it; outside of a
/// runtime the destructor waits for its death, which takes well under a millisecond. Only our own
/// children are ever waited for.
/// Threads: the members may be called from any thread, each stream by one task at a time. Waits are
/// made in one runtime.
class process {
 public:
  enum stream : std::uint8_t {
    inherit,    // the one of this process
    piped,      // stdin_(), stdout_() or stderr_()
    null,       // /dev/null
    to_stdout,  // for stderr: where stdout goes
  };
  /// Trivially destructible: safe inside co_await. All is copied before spawn() returns.
  struct options {
    stream stdin_ = inherit;
    stream stdout_ = inherit;
    stream stderr_ = inherit;
    std::string_view cwd = {};                   // empty: ours
    std::span<const std::string_view> env = {};  // "NAME=value"; empty: ours
    bool new_session = false;                    // away from our terminal and process group
  };

  /// Starts a program; it is looked for in our PATH, unless it has a slash in its name. On the
  /// blocking pool, since the kernel makes the caller wait until it runs.
  ///
  /// Throws std::system_error that names the program when there is none, it cannot be executed, or
  /// descriptors or processes have run out; std::invalid_argument for no words, a NUL, or to_stdout
  /// where it means nothing.
  /// Cancellation: no process is left.
  [[nodiscard]] static task<process> spawn(argv words, options with);
  [[nodiscard]] static task<process> spawn(argv words);

  process() noexcept = default;
  process(process&& other) noexcept = default;
  process& operator=(process&& other) noexcept {
    if (this != &other) {
      drop();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~process() { drop(); }

  /// Waits for its end alone, whoever still has its pipes. Any number of tasks may wait, and again.
  /// A code of 255 may also mean that the end was hidden from us: the program ignores SIGCHLD.
  /// Cancellation: takes nothing, and the process runs on.
  [[nodiscard]] task<exit_status> wait();
  /// Writes input and closes stdin, reads stdout and stderr to their ends, all at once so that no
  /// full pipe stops anybody, and waits for the end. Streams that are not piped are left alone. A
  /// process that does not read all of its input is no error. Unbounded: for programs that are
  /// trusted. The bytes stay until it has ended.
  /// Cancellation, and failure: SIGTERM, after two seconds SIGKILL, waited for, then thrown on.
  [[nodiscard]] task<process_output> communicate(byte_view input = {});

  /// False when it has ended already: the signal never reaches another process.
  bool send_signal(int signal) noexcept;
  bool kill() noexcept;       // SIGKILL
  bool terminate() noexcept;  // SIGTERM
  /// Stays the same after its end.
  [[nodiscard]] pid_t pid() const;
  /// Lets it run on by itself: this handle is empty then. It is reaped when it ends while the
  /// runtime runs, which keeps its pipes open until then; else at a later spawn().
  void detach() noexcept;

  /// Its piped streams. Throw invalid_state_error when there is none. References stay good when the
  /// handle is moved. After stdin_().close() it reads the end of its input.
  [[nodiscard]] buffered_writer<pipe_writer>& stdin_();
  [[nodiscard]] buffered_reader<pipe_reader>& stdout_();
  [[nodiscard]] buffered_reader<pipe_reader>& stderr_();

 private:
  struct launch;
  struct state;
  class exit_wait;
  explicit process(std::shared_ptr<state> started) noexcept : state_(std::move(started)) {}

  static std::unique_ptr<launch> prepare(argv words, const options& with);
  static std::shared_ptr<state> begin(std::unique_ptr<launch> what);
  static task<process> start(std::unique_ptr<launch> what);
  static task<exit_status> wait_for_end(std::shared_ptr<state> waited);
  enum class ending : bool { killed, let_go };
  static task<> reap(std::shared_ptr<state> left, ending how);
  static task<process_output> converse(std::shared_ptr<state> with, byte_view input);
  static task<> stop(std::shared_ptr<state> stopped);
  [[nodiscard]] const std::shared_ptr<state>& checked() const;
  void leave(ending how) noexcept;
  void drop() noexcept;

  std::shared_ptr<state> state_;
};

/// Runs a program to its end and gives what it wrote. Its input is empty, where `with` does not say
/// otherwise; stdout and stderr are collected, unless they are `null` or `to_stdout`.
/// Throws as process::spawn; a status other than 0 is no exception.
/// Cancellation: as communicate().
[[nodiscard]] task<completed_process> run_process(argv words, process::options with);
[[nodiscard]] task<completed_process> run_process(argv words);

}  // namespace weft
