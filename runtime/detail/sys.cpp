#include "sys.h"

#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/membarrier.h>

namespace weft::detail::sys {

constinit atomic<interposer_function> interposer{nullptr};

namespace {

// Descriptors open now. Relaxed: a statistic.
constinit atomic<std::int64_t> descriptors{0};

/// 0, or the errno a test wants.
int injected(call which, int fd) noexcept {
  const interposer_function ask = interposer.load(std::memory_order_relaxed);
  return ask == nullptr ? 0 : ask(which, fd);
}

/// Repeats after EINTR; -errno on failure.
template <class Call>
auto checked(Call call) noexcept {
  for (;;) {
    const auto value = call();
    if (value >= 0) return value;
    if (errno != EINTR) return static_cast<decltype(value)>(-errno);
  }
}

int counted(int fd) noexcept {
  if (fd >= 0) opened();
  return fd;
}

}  // namespace

void opened() noexcept {
  descriptors.fetch_add(1, std::memory_order_relaxed);
}
std::int64_t open_descriptors() noexcept {
  return descriptors.load(std::memory_order_relaxed);
}

int epoll_create() noexcept {
  if (const int error = injected(call::epoll_create, -1)) return -error;
  return counted(checked([] { return ::epoll_create1(EPOLL_CLOEXEC); }));
}

int epoll_add(int epoll, int fd, std::uint32_t events, std::uint64_t data) noexcept {
  if (const int error = injected(call::epoll_control, fd)) return -error;
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return checked([&] { return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event); });
}

int epoll_remove(int epoll, int fd) noexcept {
  epoll_event unused{};
  return checked([&] { return ::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &unused); });
}

namespace {

// Set once the kernel has refused epoll_pwait2 (before 5.11, seccomp, gVisor). Relaxed: a hint.
constinit atomic<bool> milliseconds_only{false};

int wait_milliseconds(int epoll, epoll_event* events, int capacity,
                      std::int64_t timeout_ns) noexcept {
  constexpr std::int64_t longest = 24 * 3600 * 1000;
  const std::int64_t rounded_up = timeout_ns / 1'000'000 + (timeout_ns % 1'000'000 != 0);
  const int timeout =
      timeout_ns < 0 ? -1 : static_cast<int>(rounded_up < longest ? rounded_up : longest);
  const int count = ::epoll_wait(epoll, events, capacity, timeout);
  return count >= 0 ? count : -errno;
}

}  // namespace

int epoll_wait(int epoll, epoll_event* events, int capacity, std::int64_t timeout_ns) noexcept {
  if (const int error = injected(call::epoll_wait, epoll)) return -error;
  if (timeout_ns <= 0 || milliseconds_only.load(std::memory_order_relaxed)) {
    return wait_milliseconds(epoll, events, capacity, timeout_ns);
  }
  timespec timeout{};
  timeout.tv_sec = timeout_ns / 1'000'000'000;
  timeout.tv_nsec = timeout_ns % 1'000'000'000;
  const int count = ::epoll_pwait2(epoll, events, capacity, &timeout, nullptr);
  if (count >= 0) return count;
  if (errno == ENOSYS || errno == EPERM || errno == EOPNOTSUPP) {
    milliseconds_only.store(true, std::memory_order_relaxed);
    return wait_milliseconds(epoll, events, capacity, timeout_ns);
  }
  return -errno;
}

int eventfd_create() noexcept {
  if (const int error = injected(call::eventfd_create, -1)) return -error;
  return counted(checked([] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }));
}

void eventfd_signal(int fd) noexcept {
  const std::uint64_t one = 1;
  // A full counter means that a signal is pending already.
  (void)checked([&] { return ::write(fd, &one, sizeof one); });
}

void futex_wait(const void* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
  timespec timeout{};
  if (timeout_ns >= 0) {
    timeout.tv_sec = timeout_ns / 1'000'000'000;
    timeout.tv_nsec = timeout_ns % 1'000'000'000;
  }
  const timespec* const limit = timeout_ns >= 0 ? &timeout : nullptr;
  (void)::syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, limit, nullptr, 0);
}

void futex_wake_one(const void* word) noexcept {
  (void)::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void heavy_barrier() noexcept {
  (void)::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

bool enable_heavy_barrier() noexcept {
  static const bool enabled =
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return enabled;
}

int socket(int family, int type) noexcept {
  if (const int error = injected(call::socket, -1)) return -error;
  return counted(checked([&] { return ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
}

int bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  if (const int error = injected(call::bind, fd)) return -error;
  return checked([&] { return ::bind(fd, address, size); });
}

int listen(int fd, int backlog) noexcept {
  if (const int error = injected(call::listen, fd)) return -error;
  return checked([&] { return ::listen(fd, backlog); });
}

int accept(int fd, sockaddr_storage* peer, socklen_t* size) noexcept {
  if (const int error = injected(call::accept, fd)) return -error;
  return counted(checked([&] {
    return ::accept4(fd, reinterpret_cast<sockaddr*>(peer), size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  }));
}

int connect(int fd, const sockaddr* address, socklen_t size) noexcept {
  if (const int error = injected(call::connect, fd)) return -error;
  // Not repeated after EINTR: the attempt goes on in the background then.
  return ::connect(fd, address, size) == 0 ? 0 : errno == EINTR ? -EINPROGRESS : -errno;
}

ssize_t receive(int fd, void* into, std::size_t size) noexcept {
  if (const int error = injected(call::receive, fd)) return -error;
  return checked([&] { return ::recv(fd, into, size, 0); });
}

ssize_t send(int fd, const void* from, std::size_t size) noexcept {
  if (const int error = injected(call::send, fd)) return -error;
  return checked([&] { return ::send(fd, from, size, MSG_NOSIGNAL); });
}

ssize_t send_vector(int fd, const iovec* parts, std::size_t count) noexcept {
  if (const int error = injected(call::send, fd)) return -error;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = count;
  return checked([&] { return ::sendmsg(fd, &message, MSG_NOSIGNAL); });
}

ssize_t read(int fd, void* into, std::size_t size) noexcept {
  if (const int error = injected(call::receive, fd)) return -error;
  return checked([&] { return ::read(fd, into, size); });
}

namespace {

/// While it lives, a SIGPIPE that this thread causes stays with it, and is taken back at the end.
class sigpipe_kept {
 public:
  sigpipe_kept() noexcept {
    sigemptyset(&only_);
    sigaddset(&only_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &only_, &before_);
    if (sigismember(&before_, SIGPIPE) == 0) return;
    sigset_t pending;
    sigpending(&pending);
    pending_before_ = sigismember(&pending, SIGPIPE) != 0;
  }
  ~sigpipe_kept() {
    if (raised_ && !pending_before_) {
      const timespec at_once{};
      while (sigtimedwait(&only_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  sigpipe_kept(const sigpipe_kept&) = delete;
  sigpipe_kept& operator=(const sigpipe_kept&) = delete;

  void raised() noexcept { raised_ = true; }

 private:
  sigset_t only_;
  sigset_t before_;
  bool pending_before_ = false;
  bool raised_ = false;
};

}  // namespace

ssize_t write(int fd, const void* from, std::size_t size) noexcept {
  if (const int error = injected(call::send, fd)) return -error;
  sigpipe_kept sigpipe;
  const ssize_t count = checked([&] { return ::write(fd, from, size); });
  if (count == -EPIPE) sigpipe.raised();
  return count;
}

int shutdown(int fd, int how) noexcept {
  if (const int error = injected(call::shutdown, fd)) return -error;
  return checked([&] { return ::shutdown(fd, how); });
}

int set_option(int fd, int level, int name, int value) noexcept {
  return checked([&] { return ::setsockopt(fd, level, name, &value, sizeof value); });
}

int get_option(int fd, int level, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  const int failed = checked([&] { return ::getsockopt(fd, level, name, &value, &size); });
  return failed < 0 ? failed : value;
}

void close(int fd) noexcept {
  descriptors.fetch_sub(1, std::memory_order_relaxed);
  // Never repeated: on Linux the descriptor is gone even after EINTR.
  ::close(fd);
}

int local_name(int fd, sockaddr_storage* name, socklen_t* size) noexcept {
  return checked([&] { return ::getsockname(fd, reinterpret_cast<sockaddr*>(name), size); });
}

int peer_name(int fd, sockaddr_storage* name, socklen_t* size) noexcept {
  return checked([&] { return ::getpeername(fd, reinterpret_cast<sockaddr*>(name), size); });
}

std::uint32_t interface_index(const char* name) noexcept {
  return ::if_nametoindex(name);
}

ssize_t receive_message(int fd, msghdr* message) noexcept {
  if (const int error = injected(call::receive, fd)) return -error;
  return checked([&] { return ::recvmsg(fd, message, MSG_CMSG_CLOEXEC); });
}

ssize_t send_message(int fd, const msghdr* message) noexcept {
  if (const int error = injected(call::send, fd)) return -error;
  return checked([&] { return ::sendmsg(fd, message, MSG_NOSIGNAL); });
}

int receive_many(int fd, mmsghdr* messages, unsigned count) noexcept {
  if (const int error = injected(call::receive, fd)) return -error;
  return checked([&] { return ::recvmmsg(fd, messages, count, MSG_CMSG_CLOEXEC, nullptr); });
}

int send_many(int fd, mmsghdr* messages, unsigned count) noexcept {
  if (const int error = injected(call::send, fd)) return -error;
  return checked([&] { return ::sendmmsg(fd, messages, count, MSG_NOSIGNAL); });
}

namespace {

int counted_pair(int made) noexcept {
  if (made < 0) return made;
  opened();
  opened();
  return made;
}

}  // namespace

int socket_pair(int type, int (&ends)[2]) noexcept {
  if (const int error = injected(call::socket, -1)) return -error;
  return counted_pair(
      checked([&] { return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends); }));
}

int pipe(int (&ends)[2]) noexcept {
  if (const int error = injected(call::socket, -1)) return -error;
  return counted_pair(checked([&] { return ::pipe2(ends, O_CLOEXEC | O_NONBLOCK); }));
}

int set_blocking(int fd) noexcept {
  const int flags = checked([&] { return ::fcntl(fd, F_GETFL); });
  return flags < 0 ? flags : checked([&] { return ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK); });
}

int move_above_standard(int fd) noexcept {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int moved =
      counted(checked([&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); }));
  close(fd);
  return moved;
}

int unlink(const char* path) noexcept {
  return checked([&] { return ::unlink(path); });
}

ssize_t send_file(int to, int from, off_t* offset, std::size_t size) noexcept {
  if (const int error = injected(call::send, to)) return -error;
  return checked([&] { return ::sendfile(to, from, offset, size); });
}

int process_open(pid_t pid) noexcept {
  if (const int error = injected(call::process_open, -1)) return -error;
  // Not by <sys/pidfd.h>: early versions of it lack their extern "C". The flag is O_NONBLOCK.
  return counted(
      checked([&] { return static_cast<int>(::syscall(SYS_pidfd_open, pid, O_NONBLOCK)); }));
}

int process_signal(int handle, int signal) noexcept {
  return checked(
      [&] { return static_cast<int>(::syscall(SYS_pidfd_send_signal, handle, signal, 0, 0)); });
}

namespace {

int reap(idtype_t what, id_t id, child_end& end) noexcept {
  siginfo_t info{};
  const int failed = checked([&] { return ::waitid(what, id, &info, WEXITED | WNOHANG); });
  if (failed < 0) return failed;
  if (info.si_pid == 0) return 0;
  end.code = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
  return 1;
}

}  // namespace

int process_reap(int handle, child_end& end) noexcept {
  return reap(P_PIDFD, static_cast<id_t>(handle), end);
}
int process_reap_pid(pid_t pid, child_end& end) noexcept {
  return reap(P_PID, static_cast<id_t>(pid), end);
}

void wait_readable(int fd, int milliseconds) noexcept {
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  while (::poll(&wanted, 1, milliseconds) < 0 && errno == EINTR) {
  }
}

// ---- Threads ------------------------------------------------------------------------------------

all_signals_blocked::all_signals_blocked() noexcept {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

all_signals_blocked::~all_signals_blocked() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace weft::detail::sys
