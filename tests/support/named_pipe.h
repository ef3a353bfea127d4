#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::testing {

/// A pipe with a name, in a folder of its own; open at both ends, so that nobody waits for the
/// other.
class named_pipe {
 public:
  named_pipe() {
    std::string folder = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    path_ = folder + "/pipe";
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  named_pipe(const named_pipe&) = delete;
  named_pipe& operator=(const named_pipe&) = delete;
  ~named_pipe() {
    close_here();
    std::filesystem::remove_all(std::filesystem::path(path_).parent_path());
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Any thread.
  void write_byte() const { EXPECT_EQ(::write(fd_, "x", 1), 1); }
  /// Does another process have it open for reading? From now on this one has not.
  [[nodiscard]] bool is_read_elsewhere() {
    close_here();
    const int fd = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  }

 private:
  void close_here() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  std::string path_;
  int fd_ = -1;
};

}  // namespace weft::testing
