#include "plant_yard.h"

#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace weft::stress {

plant_yard& plant_yard::get() {
  static plant_yard yard;
  return yard;
}

void plant_yard::leak_memory() {
  const std::lock_guard lock(mutex_);
  auto made = std::make_unique<block>();
  made->next = std::move(blocks_);
  blocks_ = std::move(made);
}

void plant_yard::leak_descriptor() {
  const std::lock_guard lock(mutex_);
  descriptors_.push_back(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
}

void plant_yard::leak_thread() {
  const std::lock_guard lock(mutex_);
  threads_.emplace_back([this] {
    std::unique_lock waiting(mutex_);
    cleared_.wait(waiting, [this] { return is_cleared_; });
  });
}

void plant_yard::leak_task() {
  const std::lock_guard lock(mutex_);
  tasks_.push_back([]() -> task<> { co_return; }());
}

void plant_yard::clear() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    while (blocks_ != nullptr) blocks_ = std::move(blocks_->next);
    for (const int fd : descriptors_) (void)::close(fd);
    descriptors_.clear();
    tasks_.clear();
    threads = std::exchange(threads_, {});
    is_cleared_ = true;
  }
  cleared_.notify_all();
  for (std::thread& each : threads) each.join();
}

}  // namespace weft::stress
