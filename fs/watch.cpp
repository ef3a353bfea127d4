#include "watch.h"

#include "../runtime/detail/sys.h"
#include "../runtime/detail/sys_file.h"
#include "../runtime/error.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include <sys/inotify.h>

namespace weft::detail {
namespace {

constexpr std::uint32_t wanted = IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_DELETE | IN_DELETE_SELF |
                                 IN_MOVED_FROM | IN_MOVED_TO | IN_MOVE_SELF;

fs::change_kind kind_of(std::uint32_t mask) noexcept {
  using enum fs::change_kind;
  if ((mask & IN_Q_OVERFLOW) != 0) return missed;
  if ((mask & IN_CREATE) != 0) return created;
  if ((mask & (IN_DELETE | IN_DELETE_SELF)) != 0) return removed;
  if ((mask & (IN_MOVED_FROM | IN_MOVE_SELF)) != 0) return renamed_away;
  if ((mask & IN_MOVED_TO) != 0) return renamed_here;
  return (mask & IN_MODIFY) != 0 ? modified : attributes;
}

inotify_event event_at(const watch_core& core, std::size_t at) noexcept {
  inotify_event event;
  std::memcpy(&event, core.buffer + at, sizeof event);
  return event;
}

}  // namespace

int watch_request::run() noexcept {
  const int fd = sys::watch_create();
  descriptor events(fd, true);
  if (!events) return fd < 0 ? -fd : io_source::open_error(fd);
  if (const int failed = sys::watch_path(events.fd(), path.c_str(), wanted); failed < 0)
    return -failed;
  begun.reset(new (std::nothrow) watch_core(std::move(events), std::move(path)));
  return begun == nullptr ? ENOMEM : 0;
}

/// Marks the next event of the buffer as ours. IN_IGNORED says that nothing is watched any more.
bool next_change::take_buffered() noexcept {
  while (core_->from < core_->to) {
    at_ = core_->from;
    const inotify_event event = event_at(*core_, at_);
    core_->from += sizeof event + event.len;
    if ((event.mask & IN_IGNORED) == 0) return true;
    core_->ended = true;
  }
  return false;
}

io_progress next_change::step(io_operation& self) noexcept {
  auto& operation = static_cast<next_change&>(self);
  watch_core& core = *operation.core_;
  operation.value = 0;
  for (;;) {
    if (operation.take_buffered()) {
      operation.value = 1;
      break;
    }
    if (core.ended) break;
    const ssize_t count = sys::read(core.events.fd(), core.buffer, sizeof core.buffer);
    if (count == -EAGAIN) return io_progress::blocked;
    if (count <= 0) {
      operation.value = count;
      core.ended = true;
      break;
    }
    core.from = 0;
    core.to = static_cast<std::size_t>(count);
  }
  core.events.source()->put_ready(io_direction::read);  // there may be more, here or in the kernel
  return io_progress::done;
}

std::string next_change::describe() const {
  return "watch " + (core_ == nullptr ? std::string("nothing") : core_->path.string());
}

std::optional<fs::change> next_change::take() {
  if (value == 0) return std::nullopt;
  const inotify_event event = event_at(*core_, at_);
  fs::change happened{.kind = kind_of(event.mask), .name = {}};
  const char* const name = core_->buffer + at_ + sizeof event;
  happened.name.assign(name, ::strnlen(name, event.len));
  return happened;
}

std::optional<fs::change> next_change::await_resume() {
  check_outcome();
  if (value < 0) throw_system_error(static_cast<int>(-value), describe());
  return take();
}

result<std::optional<fs::change>> next_change::await_resume_result() {
  check_outcome();
  if (value < 0)
    return {std::error_code(static_cast<int>(-value), std::system_category()), describe()};
  return take();
}

}  // namespace weft::detail
