#include <weft/runtime/detail/remote_function.h>
#include <weft/runtime/detail/sys.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

namespace weft::detail {
namespace {

void twice(const remote_function&, wire_reader& from, wire_writer& to) {
  const int value = from.get<int>();
  if (value < 0) throw std::runtime_error("negative");
  if (value == 0) throw 0;
  to.put(2 * value);
}

std::string request(const std::string& name, int argument) {
  wire_writer to;
  to.put(name);
  to.put(argument);
  return std::move(to).take();
}

TEST(RemoteFunction, Request_IsAnsweredByTheFunctionItNames) {
  const remote_function function("twice", twice);

  const std::string value = remote_function::answer(request("twice", 21));
  const std::string thrown = remote_function::answer(request("twice", -1));
  const std::string strange = remote_function::answer(request("twice", 0));

  wire_reader from(value);
  EXPECT_EQ(from.get<remote_outcome>(), remote_outcome::value);
  EXPECT_EQ(from.get<int>(), 42);
  wire_reader failed(thrown);
  EXPECT_EQ(failed.get<remote_outcome>(), remote_outcome::exception);
  EXPECT_EQ(failed.get<std::string>(), "negative");
  EXPECT_EQ(wire_reader(strange).get<remote_outcome>(), remote_outcome::exception);
}

TEST(RemoteFunction, NameThatIsTaken_IsRefused) {
  std::optional<remote_function> first;
  first.emplace("name", twice);
  const remote_function other("other", twice);

  EXPECT_THROW(remote_function("name", twice), std::logic_error);
  first.reset();
  EXPECT_NO_THROW(remote_function("name", twice));
}

TEST(RemoteFunction, UnknownName_IsAnswered) {
  const std::string answer = remote_function::answer(request("nobody", 1));

  EXPECT_EQ(wire_reader(answer).get<remote_outcome>(), remote_outcome::unknown_name);
}

TEST(RemoteMessage, Message_ComesWholeAndTheEndIsAnError) {
  int ends[2];
  ASSERT_GE(sys::socket_pair(SOCK_STREAM, ends), 0);
  for (const int end : ends) ASSERT_EQ(sys::set_blocking(end), 0);
  const std::string sent(3'000'000, 'x');
  std::thread sender([&] {
    EXPECT_EQ(send_message(ends[0], sent), 0);
    EXPECT_EQ(send_message(ends[0], ""), 0);
    const std::uint64_t too_much = 1'000'000'000'000;
    sys::send(ends[0], &too_much, sizeof too_much);
    sys::send(ends[0], "cut", 3);
    sys::close(ends[0]);
  });
  std::string got;
  std::string empty = "something";
  std::string cut;

  EXPECT_EQ(receive_message(ends[1], got), 0);
  EXPECT_EQ(receive_message(ends[1], empty), 0);
  EXPECT_EQ(receive_message(ends[1], cut), ECONNRESET);
  EXPECT_EQ(receive_message(ends[1], cut), ECONNRESET);

  sender.join();
  EXPECT_TRUE(got == sent);
  EXPECT_TRUE(empty.empty());
  EXPECT_EQ(send_message(ends[1], "x"), EPIPE);
  sys::close(ends[1]);
}

}  // namespace
}  // namespace weft::detail
