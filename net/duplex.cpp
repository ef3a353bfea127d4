#include "duplex.h"

#include <stdexcept>

namespace weft {

duplex_stream& duplex_stream::operator=(duplex_stream&& other) noexcept {
  if (this != &other) {
    close();
    incoming_ = std::move(other.incoming_);
    outgoing_ = std::move(other.outgoing_);
  }
  return *this;
}

void duplex_stream::close() noexcept {
  if (outgoing_ != nullptr) outgoing_->close_writer();
  if (incoming_ != nullptr) incoming_->close_reader();
  outgoing_ = nullptr;
  incoming_ = nullptr;
}

duplex_pair duplex(std::size_t bytes) {
  if (bytes == 0) throw std::invalid_argument("duplex: no room");
  auto there = std::make_shared<detail::byte_channel>(bytes);
  auto back = std::make_shared<detail::byte_channel>(bytes);
  return {.first = duplex_stream(back, there), .second = duplex_stream(there, back)};
}

}  // namespace weft
