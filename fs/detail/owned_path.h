#pragma once

#include "../path_view.h"

#include <cstddef>
#include <memory>
#include <string>

namespace weft::detail {

/// A path that system calls can take: copied, with its NUL.
///
/// Cost: up to 95 bytes lie in the object; a longer one is an allocation.
class owned_path {
 public:
  /// Throws std::invalid_argument for a NUL inside.
  explicit owned_path(fs::path_view from);
  owned_path(owned_path&& other) noexcept;
  owned_path& operator=(owned_path&& other) noexcept;
  ~owned_path() = default;

  [[nodiscard]] const char* c_str() const noexcept { return far_ != nullptr ? far_.get() : near_; }
  [[nodiscard]] std::string string() const { return c_str(); }

 private:
  static constexpr std::size_t near_bytes = 96;

  std::unique_ptr<char[]> far_;
  char near_[near_bytes];  // empty while far_ holds it
};

}  // namespace weft::detail
