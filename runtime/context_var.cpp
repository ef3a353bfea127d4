#include "context_var.h"

#include "error.h"

#include <stdexcept>

namespace weft::detail {

context::value find_in_context(context::key variable) noexcept {
  const context* const values = here.task != nullptr ? context_of(*here.task) : here.borrowed;
  return values == nullptr ? nullptr : values->find(variable);
}

void set_in_context(context::key variable, context::value value) {
  if (here.task == nullptr) throw std::logic_error("context_var::set() outside of a task");
  set_context(*here.task, context::with(context_of(*here.task), variable, std::move(value)));
}

context_token::context_token(context::key variable, context::value before) noexcept
    : variable_(variable), task_(here.task), before_(std::move(before)) {}

void context_token::reset(context::key variable) && {
  if (variable_ != variable) {
    throw_invalid_state(variable_ == 0 ? "context_var::reset(): the token was used already"
                                       : "context_var::reset(): the token of another variable");
  }
  if (task_ != here.task) throw_invalid_state("context_var::reset(): the token of another task");
  variable_ = 0;
  set_in_context(variable, std::move(before_));
}

}  // namespace weft::detail
