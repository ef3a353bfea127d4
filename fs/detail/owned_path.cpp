#include "owned_path.h"

#include <cstring>
#include <stdexcept>
#include <string_view>

namespace weft::detail {

owned_path::owned_path(fs::path_view from) {
  const std::string_view text = from.text();
  if (text.find('\0') != std::string_view::npos)
    throw std::invalid_argument("a NUL in the path \"" + std::string(text) + "\"");
  near_[0] = '\0';
  char* to = near_;
  if (text.size() >= near_bytes) {
    far_.reset(new char[text.size() + 1]);
    to = far_.get();
  }
  text.copy(to, text.size());
  to[text.size()] = '\0';
}

owned_path::owned_path(owned_path&& other) noexcept : far_(std::move(other.far_)) {
  std::memcpy(near_, other.near_, near_bytes);
}

owned_path& owned_path::operator=(owned_path&& other) noexcept {
  far_ = std::move(other.far_);
  if (this != &other) std::memcpy(near_, other.near_, near_bytes);
  return *this;
}

}  // namespace weft::detail
