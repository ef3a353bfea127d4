#include "temp.h"

#include "../runtime/detail/sys_file.h"
#include "detail/fresh_name.h"
#include "detail/serial_file.h"
#include "detail/unique_fd.h"

#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>

#include <fcntl.h>

namespace weft::detail {
namespace {

constexpr mode_t private_file_mode = 0600;
constexpr mode_t private_folder_mode = 0700;

}  // namespace

std::string temp_request::where() const {
  if (*folder_.c_str() != '\0') return folder_.string();
  std::error_code failed;  // no such folder: making something there says so
  const std::filesystem::path usual = std::filesystem::temp_directory_path(failed);
  return failed ? std::string("/tmp") : usual.string();
}

template <class Make>
int temp_request::make_fresh(bool tree, Make make) noexcept {
  try {
    std::string name;
    const int error = with_fresh_name(where() + "/weft.", name, [&](const char* each) {
      made_ = removal_ticket(each, tree);  // before there is anything: it cannot be left behind
      const int failed = make(each);
      if (failed != 0) made_.drop();
      return failed;
    });
    return error;
  } catch (const std::exception&) {  // no memory for the names
    return ENOMEM;
  }
}

int temp_file_request::run() noexcept {
  return make_fresh(false, [this](const char* name) {
    owned_path path{fs::path_view(name)};
    unique_fd fd(sys::open_file(name, O_RDWR | O_CREAT | O_EXCL, private_file_mode));
    if (!fd) return -fd.release();
    serial_file* opened = serial_file::make(std::move(fd), std::move(path));
    if (opened == nullptr) {
      (void)sys::remove_path(name);
      return ENOMEM;
    }
    file_ = fs::file(opened);
    return 0;
  });
}

int temp_directory_request::run() noexcept {
  return make_fresh(true,
                    [](const char* name) { return -sys::make_folder(name, private_folder_mode); });
}

}  // namespace weft::detail
