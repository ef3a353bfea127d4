#pragma once

// Every system call of the library, in one thin layer: retried after EINTR, flags that are never
// optional set here (CLOEXEC, NONBLOCK, MSG_NOSIGNAL), errors as negative errno values. Nothing
// here waits, but poll_wait and thread starts.
//
// Tests put faults in: while `interposer` is set, each call asks it first and fails with what it
// says.

#include "atomic.h"

#include <cstddef>
#include <cstdint>

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

namespace weft::detail::sys {

enum class call : std::uint8_t {
  epoll_create,
  epoll_control,
  epoll_wait,
  eventfd_create,
  socket,
  bind,
  listen,
  accept,
  connect,
  receive,
  send,
  shutdown,
  thread_start,
  process_start,
  process_open,
  file_open,
  file_open_cached,  // as the next one, on a worker: nothing that waits
  file_read_cached,
  file_read,
  file_write,
  file_seek,
  file_sync,
  file_truncate,
  file_stat,
  file_close,
  path_change,  // rename, remove, make a directory
  watch_create,
};

/// Returns an errno to fail the call with, or 0 to let it through. Any thread.
using interposer_function = int (*)(call which, int fd) noexcept;
//   written by  tests, before the calls they mean to fail
//   read by     every call below
//   pairing     none; relaxed: no data hangs on it
extern constinit atomic<interposer_function> interposer;

// All return the value (>= 0) or -errno.
int epoll_create() noexcept;
int epoll_add(int epoll, int fd, std::uint32_t events, std::uint64_t data) noexcept;
int epoll_remove(int epoll, int fd) noexcept;
/// Waits up to `timeout_ns` (negative: for ever). Nanoseconds where the kernel can (5.11), else
/// milliseconds rounded up.
int epoll_wait(int epoll, epoll_event* events, int capacity, std::int64_t timeout_ns) noexcept;
int eventfd_create() noexcept;
void eventfd_signal(int fd) noexcept;

inline constexpr std::int64_t no_time_limit = -1;
/// Puts this thread to sleep if the word still says `expected`, for `timeout_ns` at most. Returns
/// for other reasons, too: look at the word again.
void futex_wait(const void* word, std::uint32_t expected, std::int64_t timeout_ns) noexcept;
/// The word may be gone by now: it is only an address.
void futex_wake_one(const void* word) noexcept;
/// Makes every running thread of the process pass a full barrier (membarrier): the dear half of a
/// store-load barrier, see light_barrier(). 1-4 us. Only after enable_heavy_barrier() said true.
void heavy_barrier() noexcept;
/// Once for a process; further calls are cheap. False: this kernel has none.
bool enable_heavy_barrier() noexcept;

int socket(int family, int type) noexcept;
int bind(int fd, const sockaddr* address, socklen_t size) noexcept;
int listen(int fd, int backlog) noexcept;
int accept(int fd, sockaddr_storage* peer, socklen_t* size) noexcept;
int connect(int fd, const sockaddr* address, socklen_t size) noexcept;
ssize_t receive(int fd, void* into, std::size_t size) noexcept;
ssize_t send(int fd, const void* from, std::size_t size) noexcept;
ssize_t send_vector(int fd, const iovec* parts, std::size_t count) noexcept;
ssize_t read(int fd, void* into, std::size_t size) noexcept;
/// Raises no SIGPIPE in the host program, whatever it does about that signal.
ssize_t write(int fd, const void* from, std::size_t size) noexcept;
int shutdown(int fd, int how) noexcept;
int set_option(int fd, int level, int name, int value) noexcept;
int get_option(int fd, int level, int name) noexcept;
/// Who is at the other end of a Unix stream socket.
int peer_credentials(int fd, ucred* peer) noexcept;
/// Counts the descriptors that the library owns, for the ledger: each opened one goes through
/// opened() once.
void close(int fd) noexcept;
void opened() noexcept;
/// The library does not own one of them any more.
void given_away() noexcept;
std::int64_t open_descriptors() noexcept;

// For net/. As above: the value (>= 0) or -errno.
int local_name(int fd, sockaddr_storage* name, socklen_t* size) noexcept;
int peer_name(int fd, sockaddr_storage* name, socklen_t* size) noexcept;
/// Of a network interface; 0 when there is none of that name.
std::uint32_t interface_index(const char* name) noexcept;
/// As ::recvmsg and ::sendmsg; received descriptors are CLOEXEC, and the caller counts them with
/// opened().
ssize_t receive_message(int fd, msghdr* message) noexcept;
ssize_t send_message(int fd, const msghdr* message) noexcept;
/// Several datagrams in one call (Linux; elsewhere one at a time): how many.
int receive_many(int fd, mmsghdr* messages, unsigned count) noexcept;
int send_many(int fd, mmsghdr* messages, unsigned count) noexcept;
int socket_pair(int type, int (&ends)[2]) noexcept;
int pipe(int (&ends)[2]) noexcept;
int unlink(const char* path) noexcept;
/// Which file is at a path; a link is not followed.
struct file_identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool is_socket = false;
};
int identify(const char* path, file_identity& found) noexcept;
/// For an end of a pipe that a child gets: it expects calls to wait.
int set_blocking(int fd) noexcept;
/// Moves a descriptor out of the way of 0, 1 and 2: the new number. The old one is closed.
int move_above_standard(int fd) noexcept;
/// At a place of a file, whose own position stays.
ssize_t read_at(int fd, void* into, std::size_t size, off_t offset) noexcept;
/// From a file to a socket. Raises no SIGPIPE, as write().
ssize_t send_file(int to, int from, off_t* offset, std::size_t size) noexcept;

// ---- Child processes ----------------------------------------------------------------------------

/// How a child has ended.
struct child_end {
  int code = 0;  // of its exit, or minus the signal that ended it
};
/// A descriptor of a child that was not reaped yet: readable once it has ended.
int process_open(pid_t pid) noexcept;
/// Reaches this very process, or nobody (-ESRCH).
int process_signal(int handle, int signal) noexcept;
/// Reaps it if it has ended: 1, else 0. -ECHILD: somebody else has reaped it.
int process_reap(int handle, child_end& end) noexcept;
int process_reap_pid(pid_t pid, child_end& end) noexcept;
/// Blocks this thread until the descriptor is readable, or the time is over.
void wait_readable(int fd, int milliseconds) noexcept;
/// ... until it is ready for `events` (POLLIN, POLLOUT), `stop` is readable, or the time is over
/// (negative: never). True: it is ready, and nobody has said stop.
bool wait_ready(int fd, short events, int stop, int milliseconds) noexcept;

// ---- Threads ------------------------------------------------------------------------------------

/// Signals belong to the threads of the program: one that is started in this scope takes none.
class all_signals_blocked {
 public:
  all_signals_blocked() noexcept;
  ~all_signals_blocked();
  all_signals_blocked(const all_signals_blocked&) = delete;
  all_signals_blocked& operator=(const all_signals_blocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace weft::detail::sys
