#include "removal.h"

#include "../../runtime/detail/blocking_job.h"
#include "../../runtime/detail/sys_file.h"
#include "../../runtime/detail/task_state.h"

#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>

namespace weft::detail {

struct removal_ticket::job : blocking_job {
  job(std::string what, bool whole_tree) : path(std::move(what)), tree(whole_tree) {
    run = [](blocking_job& self) noexcept {
      auto* removal = static_cast<job*>(&self);
      (void)removal->remove();
      delete removal;
    };
  }

  int remove() noexcept {
    if (!tree) return -sys::remove_path(path.c_str());
    try {
      std::error_code failed;
      std::filesystem::remove_all(path, failed);
      return failed.value();
    } catch (const std::exception&) {  // no memory for a path
      return ENOMEM;
    }
  }

  std::string path;
  bool tree;
};

removal_ticket::removal_ticket(std::string path, bool tree)
    : job_(new job(std::move(path), tree)) {}

removal_ticket& removal_ticket::operator=(removal_ticket&& other) noexcept {
  if (this != &other) {
    redeem();
    job_ = std::exchange(other.job_, nullptr);
  }
  return *this;
}

std::string removal_ticket::path() const {
  return job_ == nullptr ? std::string() : job_->path;
}

void removal_ticket::drop() noexcept {
  delete std::exchange(job_, nullptr);
}

int removal_ticket::remove_now() noexcept {
  if (job_ == nullptr) return 0;
  const int error = job_->remove();
  // ENOENT: somebody else was quicker, and nothing is left to do.
  if (error == 0 || error == ENOENT) drop();
  return error;
}

void removal_ticket::redeem() noexcept {
  job* todo = std::exchange(job_, nullptr);
  if (todo == nullptr) return;
  if (here.runtime != no_runtime && submit_blocking(here.runtime, *todo)) return;
  todo->run(*todo);
}

}  // namespace weft::detail
