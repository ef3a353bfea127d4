#include "sys.h"

#include <cerrno>
#include <ctime>

#include <fcntl.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <unistd.h>

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

ssize_t write(int fd, const void* from, std::size_t size) noexcept {
  if (const int error = injected(call::send, fd)) return -error;
  return checked([&] { return ::write(fd, from, size); });
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

int unlink(const char* path) noexcept {
  return checked([&] { return ::unlink(path); });
}

ssize_t send_file(int to, int from, off_t* offset, std::size_t size) noexcept {
  if (const int error = injected(call::send, to)) return -error;
  return checked([&] { return ::sendfile(to, from, offset, size); });
}

}  // namespace weft::detail::sys
