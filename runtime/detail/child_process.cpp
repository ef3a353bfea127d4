#include "child_process.h"

#include "../error.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::detail {
namespace {

constexpr int unknown_code = 255;
constexpr int death_milliseconds = 1000;

// ---- Children that outlive their object ---------------------------------------------------------

constinit std::mutex left_behind_mutex;
// Guarded by left_behind_mutex. Children, so their numbers are not used again before they are
// reaped. Room for all that may come is made when they start.
std::vector<pid_t>& left_behind() {
  static std::vector<pid_t> children;
  return children;
}
constinit std::size_t alive = 0;  // guarded by left_behind_mutex: objects

/// Reaps those that have ended. Called with left_behind_mutex held.
void reap_left_behind() noexcept {
  std::erase_if(left_behind(), [](pid_t pid) {
    sys::child_end ignored;
    return sys::process_reap_pid(pid, ignored) != 0;
  });
}

void count_in() {
  const std::lock_guard lock(left_behind_mutex);
  reap_left_behind();
  left_behind().reserve(left_behind().size() + alive + 1);
  ++alive;
}

void count_out(pid_t still_runs) noexcept {
  const std::lock_guard lock(left_behind_mutex);
  --alive;
  if (still_runs > 0) left_behind().push_back(still_runs);
}

// ---- Start --------------------------------------------------------------------------------------

void check(int error, const char* what) {
  if (error != 0) throw_system_error(error, what);
}

/// The pointers that exec wants; they refer to the strings.
std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) {
    if (word.find('\0') != std::string::npos)
      throw std::invalid_argument("process: a NUL inside of \"" + word + "\"");
    pointers.push_back(const_cast<char*>(word.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

/// What happens to the child's descriptors between vfork and exec, in order.
class file_actions {
 public:
  explicit file_actions(const child_setup& setup) {
    check(posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init");
    try {
      for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
        add(setup.streams[static_cast<std::size_t>(fd)], fd);
      if (!setup.folder.empty())
        check(posix_spawn_file_actions_addchdir_np(&actions_, setup.folder.c_str()), "chdir");
      check(posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1), "closefrom");
    } catch (...) {  // the destructor does not run
      posix_spawn_file_actions_destroy(&actions_);
      throw;
    }
  }
  ~file_actions() { posix_spawn_file_actions_destroy(&actions_); }
  file_actions(const file_actions&) = delete;
  file_actions& operator=(const file_actions&) = delete;

  [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  void add(const child_stream& stream, int fd) {
    switch (stream.what) {
      case child_stream::kind::inherited:
        return;
      case child_stream::kind::null:
        return check(posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null",
                                                      fd == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0),
                     "open /dev/null");
      case child_stream::kind::descriptor:
        return check(posix_spawn_file_actions_adddup2(&actions_, stream.fd, fd), "dup2");
      case child_stream::kind::output:
        return check(posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, fd), "dup2");
    }
  }

  posix_spawn_file_actions_t actions_;
};

/// Our threads block signals, and a program may ignore SIGPIPE: both would be inherited.
class attributes {
 public:
  explicit attributes(const child_setup& setup) {
    check(posix_spawnattr_init(&attributes_), "posix_spawnattr_init");
    sigset_t none;
    sigemptyset(&none);
    sigset_t by_default;
    sigemptyset(&by_default);
    sigaddset(&by_default, SIGPIPE);
    // These fail on bad arguments only.
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &by_default);
    const int session = setup.new_session ? POSIX_SPAWN_SETSID : 0;
    posix_spawnattr_setflags(
        &attributes_, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | session));
  }
  ~attributes() { posix_spawnattr_destroy(&attributes_); }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;

  [[nodiscard]] const posix_spawnattr_t* get() const noexcept { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

/// What an error is called: it may be the folder that does not exist.
std::string describe(const child_setup& setup) {
  const std::string place = setup.folder.empty() ? "" : " in " + setup.folder;
  return "start of " + setup.words.front() + place;
}

pid_t start(const child_setup& setup) {
  if (setup.words.empty()) throw std::invalid_argument("process: no program is named");
  const std::vector<char*> words = pointers_to(setup.words);
  const std::vector<char*> environment = pointers_to(setup.environment);
  const file_actions actions(setup);
  const attributes with(setup);
  const auto ask = sys::interposer.load(std::memory_order_relaxed);
  int error = ask == nullptr ? 0 : ask(sys::call::process_start, -1);
  pid_t pid = -1;
  if (error == 0) {
    const char* const program = setup.program.empty() ? words.front() : setup.program.c_str();
    error = posix_spawnp(&pid, program, actions.get(), with.get(), words.data(),
                         setup.own_environment ? environment.data() : environ);
  }
  if (error != 0) throw_system_error(error, describe(setup));
  return pid;
}

}  // namespace

child_process::child_process(const child_setup& setup) {
  count_in();
  try {
    pid_ = start(setup);
  } catch (...) {  // there is no child
    count_out(-1);
    throw;
  }
  handle_ = sys::process_open(pid_);
  if (handle_ >= 0) return;
  if (handle_ == -ESRCH) {  // it has ended, and the kernel reaps by itself: SIGCHLD is ignored
    ended_ = true;
    end_.code = unknown_code;
    return;
  }
  const int error = -handle_;
  (void)::kill(pid_, SIGKILL);  // not reaped yet, so this is its number
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  count_out(-1);
  throw_system_error(error, "pidfd of " + setup.words.front());
}

child_process::~child_process() {
  if (!let_go_ && send_signal(SIGKILL)) sys::wait_readable(handle_, death_milliseconds);
  const bool ended = try_reap();
  if (handle_ >= 0) sys::close(handle_);
  count_out(ended ? -1 : pid_);
}

bool child_process::reap_locked() noexcept {
  if (ended_) return true;
  const int reaped = sys::process_reap(handle_, end_);
  if (reaped < 0) end_.code = unknown_code;
  ended_ = reaped != 0;
  return ended_;
}

bool child_process::try_reap() noexcept {
  const std::lock_guard lock(mutex_);
  return reap_locked();
}

int child_process::code() const noexcept {
  const std::lock_guard lock(mutex_);
  return end_.code;
}

bool child_process::send_signal(int signal) noexcept {
  const std::lock_guard lock(mutex_);
  return !let_go_ && !reap_locked() && sys::process_signal(handle_, signal) == 0;
}

void child_process::let_go() noexcept {
  const std::lock_guard lock(mutex_);
  let_go_ = true;
}

}  // namespace weft::detail
