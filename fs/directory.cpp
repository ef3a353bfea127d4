#include "directory.h"

#include "detail/file_call.h"
#include "detail/owned_path.h"

#include <cerrno>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using entry = std::filesystem::directory_entry;

constexpr std::size_t entries_at_once = 256;

/// A directory that is being read, with one of the iterators of the standard library, which is only
/// moved on the pool.
template <class Iterator>
struct listing {
  const char* operation;
  owned_path path;
  std::optional<Iterator> at = std::nullopt;
  int error = 0;  // came after what was given so far
};

template <class Iterator>
struct next_entries {
  using value_type = std::vector<entry>;
  static constexpr const char* waits_as = "fs::read_directory()";

  listing<Iterator>* from;
  std::vector<entry> got = {};

  int run() noexcept {
    try {
      if (from->error == 0) read();
    } catch (const std::exception&) {  // the iterators throw nothing else
      from->error = ENOMEM;
    }
    return got.empty() ? from->error : 0;
  }
  [[nodiscard]] std::string describe() const {
    return from->operation + std::string(" ") + from->path.string();
  }
  [[nodiscard]] std::vector<entry> take() noexcept { return std::move(got); }

 private:
  void read() {
    std::error_code failed;
    if (!from->at) from->at.emplace(from->path.c_str(), failed);
    Iterator& at = *from->at;
    while (!failed && at != Iterator() && got.size() < entries_at_once) {
      got.push_back(*at);
      at.increment(failed);
    }
    from->error = failed.value();
  }
};

template <class Iterator>
async_generator<entry> entries_of(listing<Iterator> from) {
  for (;;) {
    using request = next_entries<Iterator>;
    file_operation<request> reading(request{&from});
    std::vector<entry> some = co_await std::move(reading);
    if (some.empty()) co_return;
    for (entry& each : some) co_yield std::move(each);
  }
}

}  // namespace
}  // namespace weft::detail

namespace weft::fs {

async_generator<std::filesystem::directory_entry> read_directory(path_view where) {
  using iterator = std::filesystem::directory_iterator;
  return detail::entries_of(detail::listing<iterator>{"read directory", detail::owned_path(where)});
}

async_generator<std::filesystem::directory_entry> walk(path_view where) {
  using iterator = std::filesystem::recursive_directory_iterator;
  return detail::entries_of(detail::listing<iterator>{"walk", detail::owned_path(where)});
}

}  // namespace weft::fs
