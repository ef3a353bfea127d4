#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::tools {

/// The client's side of HTTP/1.1 without any I/O, as far as a load generator needs it: tells where
/// a response ends and whether it is a good one.
class http_response_reader {
 public:
  /// Forgets the last response and waits for the next.
  void restart() noexcept;

  /// Takes bytes that arrived. Throws std::runtime_error, which says what is wrong, if they are no
  /// response with status 200 and a Content-Length, or more than one response.
  void feed(std::string_view bytes);

  /// All of the response is there.
  [[nodiscard]] bool is_complete() const noexcept { return in_body_ && body_left_ == 0; }

  /// The server ends the connection after this response.
  [[nodiscard]] bool closes() const noexcept { return closes_; }

 private:
  [[nodiscard]] std::size_t read_head(std::string_view input);
  void read_field(std::string_view line);

  std::string held_;  // the part of a head that has arrived
  std::uint64_t body_left_ = 0;
  bool in_body_ = false;
  bool has_length_ = false;
  bool closes_ = false;
};

}  // namespace weft::tools
