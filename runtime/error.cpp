#include "error.h"

#include <utility>

namespace weft {

incomplete_read_error::incomplete_read_error(std::string partial_bytes, std::size_t expected_bytes)
    : std::runtime_error(
          "stream ended after " + std::to_string(partial_bytes.size()) + " bytes" +
          (expected_bytes > 0 ? " of " + std::to_string(expected_bytes) : std::string())),
      partial(std::move(partial_bytes)),
      expected(expected_bytes) {}

exception_group::exception_group(std::string message, std::vector<std::exception_ptr> exceptions)
    : message_(std::move(message)), exceptions_(std::move(exceptions)) {
  message_ += " (" + std::to_string(exceptions_.size()) +
              (exceptions_.size() == 1 ? " exception)" : " exceptions)");
}

/// The group lives as long as the pointer to it: rethrowing does not copy.
const exception_group* exception_group::as_group(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const exception_group& group) {
    return &group;
  } catch (...) {  // a failure
    return nullptr;
  }
}

void detail::throw_system_error(int error, const std::string& operation) {
  throw std::system_error(error, std::system_category(), operation);
}

void detail::rethrow(const std::exception_ptr& error) {
  std::rethrow_exception(error);
}

void detail::throw_invalid_state(const char* what) {
  throw invalid_state_error(what);
}

}  // namespace weft
