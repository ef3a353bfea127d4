#include "writer_core.h"

#include <stdexcept>

namespace weft::detail {

writer_core::sender writer_core::write(std::span<const byte_view> parts) {
  std::size_t size = 0;
  for (const byte_view& part : parts) size += part.size();
  const std::lock_guard guard(mutex_);
  if (size == 0 || error_ != nullptr) return sender::exists;
  if (size > options_.hard_cap - unsent_locked()) {
    throw std::length_error("write: more than " + std::to_string(options_.hard_cap) +
                            " bytes would be unsent");
  }
  accepted_.reserve(accepted_.size() + size);  // so that it is all or nothing
  for (const byte_view& part : parts) accepted_.append(part.text());
  return want_sender();
}

void writer_core::could_not_spawn() noexcept {
  const std::lock_guard guard(mutex_);
  sender_exists_ = false;
}

std::string writer_core::take_unbegun() noexcept {
  const std::lock_guard guard(mutex_);
  // While a chunk is under way, what was accepted has to wait for it.
  if (sent_ < sending_.size()) return {};
  return std::exchange(accepted_, {});
}

writer_core::sender writer_core::give_back(std::string&& bytes, std::size_t sent_of_them) noexcept {
  const std::lock_guard guard(mutex_);
  if (sent_of_them == bytes.size() || error_ != nullptr) return sender::exists;
  sending_ = std::move(bytes);
  sent_ = sent_of_them;
  return want_sender();
}

byte_view writer_core::next_chunk() noexcept {
  const std::lock_guard guard(mutex_);
  if (sent_ == sending_.size()) {
    sending_ = std::exchange(accepted_, {});
    sent_ = 0;
    if (sending_.empty()) {
      sender_exists_ = false;
      progress_.set();
    }
  }
  return {sending_.data() + sent_, sending_.size() - sent_};
}

void writer_core::sent(std::size_t count) noexcept {
  const std::lock_guard guard(mutex_);
  sent_ += count;
  progress_.set();
}

void writer_core::failed(std::exception_ptr error) noexcept {
  const std::lock_guard guard(mutex_);
  error_ = std::move(error);
  accepted_ = {};
  sending_ = {};
  sent_ = 0;
  sender_exists_ = false;
  progress_.set();
}

std::size_t writer_core::unsent() const noexcept {
  const std::lock_guard guard(mutex_);
  return unsent_locked();
}

bool writer_core::drained_below(std::size_t mark) {
  const std::lock_guard guard(mutex_);
  if (error_ != nullptr) {
    told_ = true;
    std::rethrow_exception(error_);
  }
  if (unsent_locked() <= mark) return true;
  progress_.clear();
  return false;
}

bool writer_core::ready_to_close() {
  {
    const std::lock_guard guard(mutex_);
    if (error_ != nullptr && told_) return true;
  }
  return drained_below(0);
}

}  // namespace weft::detail
