#pragma once

// A child process: how it starts, how its end is noticed, and who reaps it.
//
// It starts by posix_spawn, which on Linux is a vfork: the child borrows our memory until it has
// become the program, so what it does meanwhile is a list of file actions made before, and an error
// of exec comes back as a return value. The calling thread waits for that; callers give it to a
// thread that may block. Rejected: fork (a copy of the page tables of a large server; locks that
// other threads hold stay locked in the child), and a helper process that forks for us (one more
// process to lose).
//
// Its end is noticed through a pidfd, a descriptor that is readable once the child has ended. The
// pidfd also makes signals safe: it never means a later process with the same number. Nobody but
// the owner of a child reaps it, and no other child is reaped: the program may have some of its
// own. Rejected: SIGCHLD (one handler for a process whose owner may want it; it says "some child").
//
//   running --- try_reap() sees the end ---> ended, code known
//      |
//      +------- destructor ----------------> killed; reaped at once, or as below
//      +------- let_go() ------------------> outlives the object: its number is kept in a list, and
//                                            it is reaped at a later start of another child
//
// Threads: all members from any thread.

#include "sys.h"

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weft::detail {

/// What one of a child's standard streams is.
struct child_stream {
  enum class kind : std::uint8_t {
    inherited,   // ours
    null,        // /dev/null
    descriptor,  // `fd`, which is above 2 and stays the caller's
    output,      // of stderr: what stdout is
  };
  kind what = kind::inherited;
  int fd = -1;
};

/// What a child begins with. It has no other descriptors, no blocked signal, and SIGPIPE as a
/// program expects it.
struct child_setup {
  std::vector<std::string> words;        // the program, looked for in PATH, and its arguments
  std::string program;                   // a path that is executed in place of words[0]
  std::vector<std::string> environment;  // "NAME=value"
  bool own_environment = false;          // false: inherits ours
  std::string folder;                    // empty: ours
  std::array<child_stream, 3> streams;
  bool new_session = false;
};

class child_process {
 public:
  /// Starts the program; blocks until it runs. Throws std::system_error that names it, and
  /// std::invalid_argument for no words, or a NUL inside of one.
  explicit child_process(const child_setup& setup);
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  /// A child that runs is killed and reaped. Waits for its death, which takes well under a
  /// millisecond, for up to a second; one that the kernel holds longer is left behind as if let go.
  ~child_process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Readable when it has ended. Ours.
  [[nodiscard]] int exit_handle() const noexcept { return handle_; }
  /// True: it has ended, and code() is known. Never blocks.
  bool try_reap() noexcept;
  /// What it exited with; minus the number of the signal that ended it. 255 when somebody else has
  /// reaped it (the program ignores SIGCHLD, or waits for any child).
  [[nodiscard]] int code() const noexcept;
  /// False: it has ended, or was let go.
  bool send_signal(int signal) noexcept;
  /// It may outlive this object.
  void let_go() noexcept;

 private:
  [[nodiscard]] bool reap_locked() noexcept;

  pid_t pid_ = -1;   // immutable
  int handle_ = -1;  // immutable

  mutable std::mutex mutex_;
  // Guarded by mutex_: a signal and the reaping exclude each other.
  bool ended_ = false;
  bool let_go_ = false;
  sys::child_end end_;
};

}  // namespace weft::detail
