#include "stop_token.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace detail {
namespace {

struct token_hook final : stop_hook {
  std::stop_source source;
  void request_stop() noexcept override { source.request_stop(); }
};

/// Only tasks ask for tokens, each for its own: `stop` is written by this thread alone.
token_hook& current_hook(task_state& task) {
  task_extra& extra = extra_of(task);
  auto* known = static_cast<token_hook*>(extra.stop);
  if (known != nullptr && (!known->source.stop_requested() || cancelling(task) > 0)) return *known;
  auto* made = new token_hook;
  if (set_stop_hook(task, made)) made->request_stop();
  return *made;
}

}  // namespace

held_task::held_task(const char* operation) : task_(here.task) {
  if (task_ == nullptr) throw std::logic_error(std::string(operation) + " outside of a task");
  add_handle(*task_);
}

}  // namespace detail

std::stop_token this_task::stop_token() {
  const detail::held_task self("this_task::stop_token()");
  return detail::current_hook(self.get()).source.get_token();
}

}  // namespace weft
