// Linux: epoll, with an eventfd for notify(). The eventfd is registered edge triggered and never
// read: each write is a new edge, which saves a system call a wake-up.

#include "../error.h"
#include "poller.h"
#include "sys.h"

#include <sys/epoll.h>

namespace weft::detail {
namespace {

constexpr std::uint64_t wakeup_tag = ~std::uint64_t{0};

poll_event translate(const epoll_event& event) noexcept {
  constexpr std::uint32_t broken = EPOLLERR | EPOLLHUP;
  return {
      .tag = event.data.u64,
      .readable = (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | broken)) != 0,
      .writable = (event.events & (EPOLLOUT | broken)) != 0,
      .hung_up = (event.events & (EPOLLRDHUP | EPOLLPRI | broken)) != 0,
  };
}

}  // namespace

poller::poller() : queue_(sys::epoll_create()) {
  if (queue_ < 0) throw_system_error(-queue_, "epoll_create");
  wakeup_ = sys::eventfd_create();
  const int failed =
      wakeup_ < 0 ? wakeup_ : sys::epoll_add(queue_, wakeup_, EPOLLIN | EPOLLET, wakeup_tag);
  if (failed < 0) {
    if (wakeup_ >= 0) sys::close(wakeup_);
    sys::close(queue_);
    throw_system_error(-failed, "eventfd for the event loop");
  }
}

poller::~poller() {
  sys::close(wakeup_);
  sys::close(queue_);
}

int poller::add(int fd, std::uint64_t tag) noexcept {
  return -sys::epoll_add(queue_, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, tag);
}

void poller::remove(int fd) noexcept {
  (void)sys::epoll_remove(queue_, fd);
}

std::size_t poller::wait(std::int64_t timeout_ns, poll_event* events) noexcept {
  epoll_event raw[batch];
  const int count = sys::epoll_wait(queue_, raw, static_cast<int>(batch), timeout_ns);
  std::size_t reported = 0;
  for (int i = 0; i < count; ++i) {
    if (raw[i].data.u64 != wakeup_tag) events[reported++] = translate(raw[i]);
  }
  return reported;
}

void poller::notify() noexcept {
  sys::eventfd_signal(wakeup_);
}

}  // namespace weft::detail
