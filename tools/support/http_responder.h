#pragma once

#include "http_request.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::tools {

/// What the owner of a connection does next, once it has sent what was appended to the output.
enum class http_next {
  read,   // wait for more bytes
  pause,  // wait for http_responder::pause_length(), then call resume()
  close,  // end the connection; nothing more is answered on it
};

/// What an answer depends on besides the request.
struct http_moment {
  std::string_view date;    // for the Date field: "Sun, 06 Nov 1994 08:49:37 GMT"
  bool is_closing = false;  // the server stops: each answer is the last of its connection
};

/// The server's side of one HTTP/1.1 connection without any I/O: bytes in, answers out.
///
/// It serves `/plaintext`, `/json` and `/sleep/MS` to GET and HEAD, in the order of the requests,
/// however they are cut or batched. Between requests it owns no memory; of an incomplete head it
/// keeps what there is, which the limits bound.
class http_responder {
 public:
  static constexpr http_limits limits{};
  static constexpr std::chrono::milliseconds longest_pause = std::chrono::seconds(60);

  /// Takes bytes that arrived and appends the answers to all requests that are complete.
  /// Requires: the last call gave http_next::read.
  [[nodiscard]] http_next feed(std::string_view bytes, http_moment now, std::string& out);

  /// After a pause: appends the answer that was held back, then goes on as feed() does.
  [[nodiscard]] http_next resume(http_moment now, std::string& out);

  /// How long the answer to the current request is held back.
  [[nodiscard]] std::chrono::milliseconds pause_length() const noexcept { return pause_; }

  /// The client took too long: appends 408 if a part of a request is there. The connection ends.
  void time_out(http_moment now, std::string& out);

  /// Part of a request has arrived.
  [[nodiscard]] bool is_inside_request() const noexcept { return !held_.empty() || body_left_ > 0; }

  /// The connection ends while the client may still be sending: its bytes should be read and thrown
  /// away for a moment, else a reset could overtake the answer.
  [[nodiscard]] bool should_linger() const noexcept { return linger_; }

 private:
  /// How an answer is framed, which its request decides.
  struct framing {
    bool keep_alive = false;
    bool is_version_1_0 = false;
    bool head_only = false;
  };

  [[nodiscard]] http_next run(std::string_view fresh, http_moment now, std::string& out);
  [[nodiscard]] std::size_t answer_all(std::string_view input, http_moment now, std::string& out);
  [[nodiscard]] std::size_t answer_next(std::string_view input, http_moment now, std::string& out);
  [[nodiscard]] std::size_t skip_body(std::string_view input) noexcept;
  void keep_looking(std::string_view partial, http_moment now, std::string& out);
  void answer(const http_request& request, http_moment now, std::string& out);
  void route(const http_request& request, framing form, http_moment now, std::string& out);
  void append(std::string_view head, std::string_view body, framing form, http_moment now,
              std::string& out);
  void append_status(int status, framing form, http_moment now, std::string& out);
  void refuse(int status, framing form, http_moment now, std::string& out);

  std::string held_;             // bytes that wait for the rest of their head, or for a pause
  std::uint64_t body_left_ = 0;  // bytes of the current body that are still to be skipped
  std::chrono::milliseconds pause_{0};
  std::uint32_t looked_at_ = 0;  // so much of the partial head holds neither its end nor a fault
  http_next next_ = http_next::read;
  framing paused_;  // of the answer that is held back
  bool linger_ = false;
  bool after_empty_line_ = false;  // one empty line before a request is ignored, a second is not
};

}  // namespace weft::tools
