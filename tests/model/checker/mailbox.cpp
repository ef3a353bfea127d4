#include "mailbox.h"

namespace weft::model {

void mailbox::push(void* item) noexcept {
  execution::point(true);
  execution::opaque();
  if (count_ == entries_max) execution::fail("a mailbox of the model is full");
  entries_[(first_ + count_++) % entries_max] = {item, execution::clock()};
  ++execution::clock().at[execution::current()];  // what comes after was not sent
  execution::wake_all(waiting_);
}

void* mailbox::pop() noexcept {
  execution::opaque();
  if (count_ == 0) return nullptr;
  const entry& oldest = entries_[first_];
  first_ = (first_ + 1) % entries_max;
  --count_;
  execution::clock().join(oldest.sent);
  return oldest.item;
}

void mailbox::wait() noexcept {
  execution::opaque();
  while (count_ == 0 && !closed_) (void)execution::wait_in(waiting_, false);
}

void mailbox::open() noexcept {
  execution::opaque();
  closed_ = false;
}

bool mailbox::closed() const noexcept {
  execution::opaque();
  return closed_;
}

void mailbox::close() noexcept {
  execution::opaque();
  closed_ = true;
  execution::wake_all(waiting_);
}

}  // namespace weft::model
