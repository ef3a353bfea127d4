#pragma once

#include "../address.h"
#include "descriptor.h"

#include <cstdint>
#include <string>
#include <utility>

namespace weft::detail {

/// The file of a bound Unix socket. Removed when its owner ends, unless it is another file by then:
/// a server that has taken over the path keeps its own.
class socket_file {
 public:
  socket_file() noexcept = default;
  /// Takes over the file that was bound just now. None of an abstract name.
  explicit socket_file(const socket_address& bound);
  socket_file(socket_file&& other) noexcept { swap(other); }
  socket_file& operator=(socket_file&& other) noexcept {
    swap(other);
    return *this;
  }
  ~socket_file() { remove(); }

  void remove() noexcept;

 private:
  void swap(socket_file& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(device_, other.device_);
    std::swap(inode_, other.inode_);
  }

  std::string path_;  // empty: there is none, or it was removed
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

enum class existing_file : bool { keep, replace_if_stale };

/// Binds a Unix socket of this type (SOCK_STREAM). A socket file at whose path nobody listens any
/// more may be replaced; any other file never is. Throws std::system_error ("bind unix:/run/x:
/// Address already in use").
socket_file bind_local(const descriptor& socket, const socket_address& at, int type,
                       existing_file there);

}  // namespace weft::detail
