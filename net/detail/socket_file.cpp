#include "socket_file.h"

#include "../../runtime/detail/sys.h"
#include "connection_operations.h"

#include <cerrno>

namespace weft::detail {
namespace {

/// A socket to which nobody listens: its process has ended without removing it.
bool is_stale(const socket_address& at, int type) noexcept {
  sys::file_identity found;
  if (sys::identify(at.host().c_str(), found) < 0 || !found.is_socket) return false;
  const descriptor probe(sys::socket(AF_UNIX, type), false);
  return probe && sys::connect(probe.fd(), at.data(), at.size()) == -ECONNREFUSED;
}

}  // namespace

socket_file::socket_file(const socket_address& bound) {
  std::string path = bound.host();
  sys::file_identity found;
  if (path.starts_with('@') || sys::identify(path.c_str(), found) < 0) return;
  path_ = std::move(path);
  device_ = found.device;
  inode_ = found.inode;
}

void socket_file::remove() noexcept {
  if (path_.empty()) return;
  const std::string path = std::exchange(path_, {});
  sys::file_identity found;
  const bool is_ours =
      sys::identify(path.c_str(), found) >= 0 && found.device == device_ && found.inode == inode_;
  if (is_ours) (void)sys::unlink(path.c_str());
}

socket_file bind_local(const descriptor& socket, const socket_address& at, int type,
                       existing_file there) {
  const bool is_path = !at.host().starts_with('@');
  if (is_path && there == existing_file::replace_if_stale && is_stale(at, type))
    (void)sys::unlink(at.host().c_str());
  bind_socket(socket, at);
  return socket_file(at);
}

}  // namespace weft::detail
