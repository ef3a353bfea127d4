#include <weft/net/detail/connection_operations.h>
#include <weft/net/detail/socket_file.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <stdlib.h>
#include <sys/socket.h>

namespace weft::detail {
namespace {

namespace fs = std::filesystem;

/// A folder for socket files, gone after the test.
class SocketFile : public ::testing::Test {
 protected:
  SocketFile() {
    folder_ = (fs::temp_directory_path() / "weft-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~SocketFile() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ + "/socket"; }
  [[nodiscard]] socket_address address() const { return socket_address::from_path(path()); }

  /// A socket that listens there, and its file.
  struct listening {
    descriptor socket;
    socket_file file;
  };
  listening listen(existing_file there = existing_file::replace_if_stale) const {
    descriptor socket = open_socket(address(), SOCK_STREAM, "bind");
    socket_file file = bind_local(socket, address(), SOCK_STREAM, there);
    listen_socket(socket, address(), 8);
    return {std::move(socket), std::move(file)};
  }
  /// Its process has ended without removing it.
  void leave_stale_file() const {
    descriptor socket = open_socket(address(), SOCK_STREAM, "bind");
    bind_socket(socket, address());
  }

 private:
  std::string folder_;
};

TEST_F(SocketFile, FileOfASocket_GoesAwayWithItsOwner) {
  {
    const listening socket = listen();
    EXPECT_TRUE(fs::is_socket(path()));
  }
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(SocketFile, StaleFile_IsReplaced) {
  leave_stale_file();

  const listening socket = listen();

  EXPECT_TRUE(fs::is_socket(path()));
}

TEST_F(SocketFile, StaleFileThatIsToBeKept_IsInUse) {
  leave_stale_file();

  EXPECT_THROW((void)listen(existing_file::keep), std::system_error);
  EXPECT_TRUE(fs::is_socket(path()));
}

TEST_F(SocketFile, FileOfALiveListener_IsInUse) {
  const listening first = listen();

  EXPECT_THROW((void)listen(), std::system_error);
  EXPECT_TRUE(fs::is_socket(path()));
}

TEST_F(SocketFile, RegularFile_IsNeverReplaced) {
  std::ofstream(path()) << "precious";

  EXPECT_THROW((void)listen(), std::system_error);
  EXPECT_EQ(fs::file_size(path()), 8u);
}

TEST_F(SocketFile, FileThatIsGoneAlready_IsNoMatter) {
  std::optional<listening> socket = listen();
  fs::remove(path());

  socket.reset();

  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(SocketFile, FileOfASuccessor_IsLeftAlone) {
  std::optional<listening> first = listen();
  fs::remove(path());
  const listening second = listen();

  first.reset();

  EXPECT_TRUE(fs::is_socket(path()));
}

TEST_F(SocketFile, MovedFile_IsRemovedOnce) {
  std::optional<listening> first = listen();
  socket_file taken = std::move(first->file);
  first.reset();
  EXPECT_TRUE(fs::is_socket(path()));

  taken = socket_file();
  EXPECT_FALSE(fs::exists(path()));

  const listening successor = listen();
  taken.remove();
  EXPECT_TRUE(fs::is_socket(path()));
}

TEST_F(SocketFile, AbstractName_HasNone) {
  const socket_address at("unix:@weft-socket-file-test");
  const descriptor socket = open_socket(at, SOCK_STREAM, "bind");

  socket_file file = bind_local(socket, at, SOCK_STREAM, existing_file::replace_if_stale);

  file.remove();
  EXPECT_FALSE(fs::exists("@weft-socket-file-test"));
  const descriptor second = open_socket(at, SOCK_STREAM, "bind");
  EXPECT_THROW((void)bind_local(second, at, SOCK_STREAM, existing_file::replace_if_stale),
               std::system_error);
}

}  // namespace
}  // namespace weft::detail
