#include "byte_channel.h"

#include "../../runtime/error.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>
#include <utility>

namespace weft::detail {
namespace {

/// Copies between the ring and flat memory, in two pieces where it wraps.
template <class Copy>
void in_pieces(std::size_t at, std::size_t count, std::size_t capacity, Copy copy) noexcept {
  const std::size_t before_the_end = std::min(count, capacity - at);
  if (before_the_end > 0) copy(at, std::size_t{0}, before_the_end);
  if (count > before_the_end) copy(std::size_t{0}, before_the_end, count - before_the_end);
}

[[noreturn]] void throw_failure(int error, const char* operation) {
  std::string text = std::string(operation) + " duplex stream";
  if (error == EBADF) text += " (it is closed)";
  if (error == ECANCELED) text += " (it was closed while this waited)";
  if (error == EBUSY) text += " (another task does the same)";
  throw_system_error(error, text);
}

}  // namespace

/// Tasks to wake once the lock is released: at most a reader and a writer.
class byte_channel::wakes {
 public:
  wakes() noexcept = default;
  wakes(const wakes&) = delete;
  wakes& operator=(const wakes&) = delete;
  ~wakes() {
    for (task_state* each : tasks_) {
      if (each != nullptr) wake(*each);
    }
  }
  void add(const channel_transfer& transfer) noexcept { tasks_[count_++] = transfer.node->task; }

 private:
  task_state* tasks_[2] = {};
  std::size_t count_ = 0;
};

void byte_channel::move_out(channel_transfer& reader) noexcept {
  const std::size_t count = std::min(reader.size - reader.moved, size_);
  in_pieces(first_, count, ring_.size(), [&](std::size_t at, std::size_t done, std::size_t piece) {
    std::memcpy(reader.into + reader.moved + done, ring_.data() + at, piece);
  });
  first_ = (first_ + count) % ring_.size();
  size_ -= count;
  reader.moved += count;
}

void byte_channel::move_in(channel_transfer& writer) noexcept {
  const std::size_t count = std::min(writer.size - writer.moved, room());
  in_pieces((first_ + size_) % ring_.size(), count, ring_.size(),
            [&](std::size_t at, std::size_t done, std::size_t piece) {
              std::memcpy(ring_.data() + at, writer.from + writer.moved + done, piece);
            });
  size_ += count;
  writer.moved += count;
}

/// True: the ring was emptied into a waiting reader.
bool byte_channel::serve_reader(wakes& woken) noexcept {
  if (reader_ == nullptr || size_ == 0) return false;
  channel_transfer& reader = *std::exchange(reader_, nullptr);
  if (!reader.node->claim()) return false;  // its select has another winner
  move_out(reader);
  woken.add(reader);
  return true;
}

void byte_channel::serve_writer(wakes& woken) noexcept {
  if (writer_ == nullptr || room() == 0) return;
  channel_transfer& writer = *writer_;
  const bool ends = !writer.all || writer.size - writer.moved <= room();
  if (ends) {
    writer_ = nullptr;
    if (!writer.node->claim()) return;
  }
  move_in(writer);
  if (ends) woken.add(writer);
}

bool byte_channel::read(channel_transfer& transfer, channel_wait wait) noexcept {
  wakes woken;
  const std::lock_guard guard(mutex_);
  const bool nothing_to_do = transfer.size == 0 || (size_ == 0 && ended_);
  if (reader_ != nullptr || abandoned_) {
    transfer.error = abandoned_ ? EBADF : EBUSY;
  } else if (!nothing_to_do && size_ == 0) {
    if (wait == channel_wait::yes) reader_ = &transfer;
    return false;
  }
  if (wait == channel_wait::yes && !transfer.node->claim()) return false;
  if (transfer.error == 0 && !nothing_to_do) {
    move_out(transfer);
    serve_writer(woken);
  }
  return true;
}

bool byte_channel::write(channel_transfer& transfer, channel_wait wait) noexcept {
  wakes woken;
  const std::lock_guard guard(mutex_);
  if (writer_ != nullptr || ended_ || abandoned_) {
    transfer.error = writer_ != nullptr ? EBUSY : EPIPE;
    return wait == channel_wait::no || transfer.node->claim();
  }
  const auto would_end = [&] {
    return transfer.size == transfer.moved ||
           (room() > 0 && (!transfer.all || transfer.size - transfer.moved <= room()));
  };
  while (!would_end()) {
    if (transfer.all) move_in(transfer);
    if (!serve_reader(woken)) {
      if (wait == channel_wait::yes) writer_ = &transfer;
      return false;
    }
  }
  if (wait == channel_wait::yes && !transfer.node->claim()) return false;
  move_in(transfer);
  serve_reader(woken);
  return true;
}

bool byte_channel::withdraw(channel_transfer& transfer) noexcept {
  const std::lock_guard guard(mutex_);
  if (reader_ != &transfer && writer_ != &transfer) return false;
  (reader_ == &transfer ? reader_ : writer_) = nullptr;
  return true;
}

void byte_channel::end() noexcept {
  wakes woken;
  const std::lock_guard guard(mutex_);
  ended_ = true;
  if (reader_ == nullptr) return;  // a waiting one has found the ring empty
  channel_transfer& reader = *std::exchange(reader_, nullptr);
  if (reader.node->claim()) woken.add(reader);
}

void byte_channel::close_writer() noexcept {
  {
    wakes woken;
    const std::lock_guard guard(mutex_);
    if (channel_transfer* const writer = std::exchange(writer_, nullptr);
        writer != nullptr && writer->node->claim()) {
      writer->error = ECANCELED;
      woken.add(*writer);
    }
  }
  end();
}

void byte_channel::close_reader() noexcept {
  wakes woken;
  const std::lock_guard guard(mutex_);
  abandoned_ = true;
  for (channel_transfer** const waiting : {&reader_, &writer_}) {
    channel_transfer* const transfer = std::exchange(*waiting, nullptr);
    if (transfer == nullptr || !transfer->node->claim()) continue;
    transfer->error = waiting == &reader_ ? ECANCELED : EPIPE;
    woken.add(*transfer);
  }
}

bool channel_read::try_now() noexcept {
  transfer_.node = this;
  if (channel_ != nullptr) return channel_->read(transfer_, channel_wait::no);
  transfer_.error = EBADF;
  return true;
}

bool channel_read::publish() noexcept {
  unlink = take_back;
  transfer_.node = this;
  if (channel_ == nullptr) return !try_now();
  return !channel_->read(transfer_, channel_wait::yes);
}

unlink_result channel_read::take_back(wait_node& self) noexcept {
  auto& operation = static_cast<channel_read&>(self);
  return operation.channel_->withdraw(operation.transfer_) ? unlink_result::removed
                                                           : unlink_result::completed;
}

std::size_t channel_read::take() const {
  if (transfer_.error != 0) throw_failure(transfer_.error, "read");
  return transfer_.moved;
}

result<std::size_t> channel_read::await_resume_result() const {
  if (outcome != wait_outcome::completed) throw_interrupted(outcome);
  if (transfer_.error != 0)
    return {std::error_code(transfer_.error, std::system_category()), "read"};
  return transfer_.moved;
}

bool channel_write::try_write(channel_wait wait, wait_node& node) noexcept {
  transfer_.node = &node;
  if (channel_ != nullptr) return channel_->write(transfer_, wait);
  transfer_.error = EBADF;
  return true;
}

void channel_write::check() const {
  if (transfer_.error != 0) throw_failure(transfer_.error, "write");
}

bool channel_write_some::publish() noexcept {
  unlink = [](wait_node& self) noexcept {
    return static_cast<channel_write_some&>(self).withdraw() ? unlink_result::removed
                                                             : unlink_result::completed;
  };
  return !try_write(channel_wait::yes, *this);
}

bool channel_write_all::publish() noexcept {
  unlink = [](wait_node& self) noexcept {
    return static_cast<channel_write_all&>(self).withdraw() ? unlink_result::removed
                                                            : unlink_result::completed;
  };
  return !try_write(channel_wait::yes, *this);
}

}  // namespace weft::detail
