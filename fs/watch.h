#pragma once

#include "../runtime/detail/descriptor.h"
#include "../runtime/detail/io_operation.h"
#include "../runtime/result.h"
#include "detail/file_call.h"
#include "detail/owned_path.h"
#include "path_view.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weft::fs {

enum class change_kind : std::uint8_t {
  created,
  modified,    // its contents
  attributes,  // permissions, times, links
  removed,
  renamed_away,  // it has this name no more
  renamed_here,  // ... but this one now
  missed,        // more happened than the kernel could keep: look for yourself
};

/// Something has happened.
struct change {
  change_kind kind = change_kind::missed;
  std::string name;  // of the entry of the watched directory; empty: of the watched path itself
};

class watcher;

}  // namespace weft::fs

namespace weft::detail {

/// Where the events of one watched path come from.
struct watch_core {
  descriptor events;
  owned_path path;
  bool ended = false;            // no more will come
  std::size_t from = 0, to = 0;  // what of the buffer was not given yet
  alignas(8) char buffer[4096];

  explicit watch_core(descriptor source, owned_path watched) noexcept
      : events(std::move(source)), path(std::move(watched)) {}
};

struct watch_request {
  using value_type = fs::watcher;
  static constexpr const char* waits_as = "fs::watch()";

  owned_path path;
  std::unique_ptr<watch_core> begun = nullptr;

  int run() noexcept;
  [[nodiscard]] std::string describe() const {
    return "watch " + (begun == nullptr ? path : begun->path).string();
  }
  [[nodiscard]] fs::watcher take() noexcept;
};

/// The next change.
class [[nodiscard]] next_change : public io_operation {
 public:
  explicit next_change(watch_core* core) noexcept
      : io_operation(core == nullptr ? nullptr : core->events.source(), io_direction::read, step),
        core_(core) {}

  [[nodiscard]] std::optional<fs::change> await_resume();
  [[nodiscard]] result<std::optional<fs::change>> await_resume_result();

 private:
  static io_progress step(io_operation& self) noexcept;
  bool take_buffered() noexcept;
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::optional<fs::change> take();

  watch_core* core_;
  std::size_t at_ = 0;  // in the buffer, where the change lies
};

}  // namespace weft::detail

namespace weft::fs {

/// Tells what happens to a file, or to a directory and its entries (not to those of directories in
/// it).
///
/// Threads: one task at a time. It may be moved while nobody waits.
class watcher {
 public:
  explicit watcher(std::unique_ptr<detail::watch_core> core) noexcept : core_(std::move(core)) {}

  /// The next change; nothing when what was watched is gone. Changes of the same kind and name, one
  /// right behind the other, may come as one. Throws std::system_error.
  /// Cancellation: takes nothing.
  detail::next_change next() noexcept { return detail::next_change(core_.get()); }

 private:
  std::unique_ptr<detail::watch_core> core_;
};

/// Watches a path from now on, through the reactor: no thread waits. Linux keeps some 16,000
/// changes that nobody has taken, and then change_kind::missed. Errors: std::system_error.
/// Cost: an allocation and a descriptor for each watched path; a next() allocates only a long name.
[[nodiscard]] inline detail::file_operation<detail::watch_request> watch(path_view where) {
  return detail::file_operation<detail::watch_request>({.path = detail::owned_path(where)});
}

}  // namespace weft::fs

namespace weft::detail {

inline fs::watcher watch_request::take() noexcept {
  return fs::watcher(std::move(begun));
}

}  // namespace weft::detail
