#include "echo_storm.h"

#include "../plant_yard.h"
#include <weft/net/tcp.h>
#include <weft/runtime/as_result.h>
#include <weft/runtime/error.h>
#include <weft/runtime/spawn.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/timeout.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sys/socket.h>

namespace weft::stress {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t clients = 10;
constexpr std::size_t message_max = 200'000;  // more than the kernel buffers: writers have to wait
constexpr std::uint64_t messages_max = 30;

/// Bytes that differ from those of any other message, and at every place.
std::string message_of(random_stream& random) {
  std::string message(random.spread(1, message_max), '\0');
  std::uint64_t bits = random.next();
  for (char& each : message) {
    each = static_cast<char>(bits >> 56);
    bits = bits * 6364136223846793005u + 1442695040888963407u;
  }
  return message;
}

/// The peer gets a reset instead of an orderly end.
void close_hard(tcp_stream& stream) noexcept {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  (void)::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  stream.close();
}

/// Echoes until the end; a client that vanished is no failure here.
task<> echo(tcp_stream stream) {
  std::string buffer(4096, '\0');
  for (;;) {
    const result<std::size_t> count = co_await as_result(stream.read_some(buffer));
    if (!count || *count == 0) co_return;
    const result<void> written =
        co_await as_result(stream.write_all(std::string_view(buffer.data(), *count)));
    if (!written) co_return;
  }
}

task<> write_in_pieces(tcp_stream& stream, std::string_view message, std::uint64_t seed) {
  random_stream random(seed);
  while (!message.empty()) {
    const std::string_view piece = message.substr(0, random.spread(1, message.size()));
    co_await stream.write_all(piece);
    message.remove_prefix(piece.size());
    if (random.one_in(4)) co_await yield();
  }
}

bool is_lost_peer(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& error) {
    return error.code() == std::errc::connection_reset || error.code() == std::errc::broken_pipe;
  } catch (const exception_group& group) {
    const auto& all = group.exceptions();
    return std::all_of(all.begin(), all.end(), is_lost_peer);
  } catch (...) {  // anything else
    return false;
  }
}

}  // namespace

struct echo_storm::state {
  task<> serve(stage& on, tcp_listener& listener);
  task<> talk(stage& on, socket_address server, std::uint64_t own);
  task<> converse(stage& on, tcp_stream& stream, random_stream& random, heartbeat& alive);
  task<> exchange(stage& on, tcp_stream& stream, random_stream& random);
  task<> give_up(tcp_stream& stream, random_stream& random);
  task<> part(stage& on, tcp_stream stream, random_stream& random);
};

/// Until it is cancelled; then its connections are, too.
task<> echo_storm::state::serve(stage& on, tcp_listener& listener) {
  auto body = [&](task_group& group) -> task<> {
    for (;;) {
      tcp_stream accepted = co_await listener.accept();
      if (on.strikes(plant::leaked_descriptor)) plant_yard::get().leak_descriptor();
      group.spawn(echo(std::move(accepted)));
    }
  };
  co_await with_task_group(body);
}

/// One message there and back, written and read at the same time.
task<> echo_storm::state::exchange(stage& on, tcp_stream& stream, random_stream& random) {
  const std::string message = message_of(random);
  auto writing = spawn(write_in_pieces(stream, message, random.next()));
  // The writer refers to this frame: whatever happens here, it ends first.
  std::string back(message.size(), '\0');
  std::size_t have = 0;
  std::exception_ptr failure;
  try {
    while (have < back.size()) {
      const std::size_t piece = random.spread(1, back.size() - have);
      const std::size_t count = co_await stream.read_some(byte_span(back.data() + have, piece));
      if (count == 0) break;
      have += count;
    }
    co_await writing;
  } catch (...) {  // goes on below, when the writer has ended
    failure = std::current_exception();
  }
  writing.cancel();
  {
    const cancel_shield shield;
    (void)co_await as_result(writing);
  }
  if (failure != nullptr) std::rethrow_exception(failure);
  if (on.strikes(plant::corrupted_byte)) back[have / 2] ^= 1;
  // A shutdown may reach the server first, which closes the connection in the middle.
  on.check(have == message.size() || on.plan().is_cut_short, invariant::bytes_intact,
           "an echo ends early");
  on.check(back.compare(0, have, message, 0, have) == 0, invariant::bytes_intact,
           "an echo differs from what was sent");
}

/// A read that is cancelled takes nothing, so the next one gets what comes.
task<> echo_storm::state::give_up(tcp_stream& stream, random_stream& random) {
  char byte = 0;
  try {
    (void)co_await wait_for(stream.read_some(byte_span(&byte, 1)), random.up_to(300us));
  } catch (const timeout_error&) {
    co_return;
  }
}

/// An orderly end from this side, or none.
task<> echo_storm::state::part(stage& on, tcp_stream stream, random_stream& random) {
  switch (random.below(3)) {
    case 0: {
      stream.shutdown_write();
      char byte = 0;
      const std::size_t count = co_await stream.read_some(byte_span(&byte, 1));
      on.check(count == 0, invariant::bytes_intact, "a server sent more than it got");
      break;
    }
    case 1:
      co_await stream.write_all("unread");
      close_hard(stream);
      break;
    default:
      stream.close();
  }
}

task<> echo_storm::state::converse(stage& on, tcp_stream& stream, random_stream& random,
                                   heartbeat& alive) {
  const std::uint64_t messages = random.below(messages_max);
  for (std::uint64_t i = 0; i < messages && !on.is_over(); ++i) {
    co_await on.waver(random);
    if (random.one_in(8)) co_await give_up(stream, random);
    co_await exchange(on, stream, random);
    alive.beat();
  }
}

task<> echo_storm::state::talk(stage& on, socket_address server, std::uint64_t own) {
  heartbeat alive(on.dog(), "client " + std::to_string(own));
  random_stream random = on.random(own);
  while (!on.is_over()) {
    tcp_stream stream = co_await tcp_stream::connect(server);
    co_await converse(on, stream, random, alive);
    co_await part(on, std::move(stream), random);
    alive.beat();
  }
}

echo_storm::echo_storm() : state_(std::make_unique<state>()) {}
echo_storm::~echo_storm() = default;

/// A shutdown may reach the server's end of a connection before the client's.
bool echo_storm::is_planned(const std::exception_ptr& failure) const {
  return is_lost_peer(failure);
}

task<> echo_storm::run(stage& on) {
  state& all = *state_;
  tcp_listener listener = tcp_listener::bind("127.0.0.1:0");
  const socket_address server = listener.local_address();
  auto serving = spawn(all.serve(on, listener));
  std::exception_ptr failure;
  try {
    auto body = [&](task_group& group) {
      for (std::uint64_t i = 0; i < clients; ++i) group.spawn(all.talk(on, server, i));
    };
    co_await with_task_group(body);
  } catch (...) {  // goes on below, when the server has ended
    failure = std::current_exception();
  }
  serving.cancel();
  {
    const cancel_shield shield;
    (void)co_await as_result(serving);
  }
  if (failure != nullptr) std::rethrow_exception(failure);
}

}  // namespace weft::stress
