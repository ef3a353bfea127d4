#include <weft/net/address.h>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_set>

namespace weft {
namespace {

TEST(SocketAddress, Text_ComesBackAsItWas) {
  for (const std::string_view text :
       {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0",
        "[2001:db8::1]:443", "[fe80::1%3]:1", "[::ffff:1.2.3.4]:5", "unix:/run/my.sock",
        "unix:relative", "unix:@abstract", "unix:./@file"}) {
    EXPECT_EQ(socket_address::parse(text).to_string(), text);
  }
}

TEST(SocketAddress, OtherSpellings_AreUnderstood) {
  EXPECT_EQ(socket_address("[0:0:0:0:0:0:0:1]:80").to_string(), "[::1]:80");
  EXPECT_EQ(socket_address("[2001:DB8::A]:1").to_string(), "[2001:db8::a]:1");
  EXPECT_EQ(socket_address("/run/my.sock").to_string(), "unix:/run/my.sock");
  EXPECT_EQ(socket_address("[fe80::1%lo]:1").host().substr(0, 8), "fe80::1%");
}

TEST(SocketAddress, Nonsense_IsRefused) {
  using namespace std::string_view_literals;
  const std::string too_long = "unix:/" + std::string(107, 'x');
  for (const std::string_view text : {""sv,
                                      ":"sv,
                                      ":80"sv,
                                      "127.0.0.1"sv,
                                      "127.0.0.1:"sv,
                                      "127.0.0.1:65536"sv,
                                      "127.0.0.1:-1"sv,
                                      "127.0.0.1:+1"sv,
                                      "127.0.0.1:080"sv,
                                      "127.0.0.1:80 "sv,
                                      " 127.0.0.1:80"sv,
                                      "127.0.0.1:8o"sv,
                                      "127.0.0.01:80"sv,
                                      "127.0.0:80"sv,
                                      "1.2.3.4.5:80"sv,
                                      "256.0.0.1:80"sv,
                                      "0x7f.0.0.1:80"sv,
                                      "localhost:80"sv,
                                      "*:80"sv,
                                      "[::1]"sv,
                                      "[::1]80"sv,
                                      "::1:80"sv,
                                      "[127.0.0.1]:80"sv,
                                      "[::1:80"sv,
                                      "::1]:80"sv,
                                      "[]:80"sv,
                                      "[:::]:80"sv,
                                      "[::1%]:80"sv,
                                      "[::1%nosuchinterface]:80"sv,
                                      "[::1]:99999"sv,
                                      "127.0.0.1\0:80"sv,
                                      "127.0.0.1:80\0"sv,
                                      "unix:"sv,
                                      "unix:@"sv,
                                      "unix:/a\0b"sv,
                                      std::string_view(too_long)}) {
    EXPECT_FALSE(socket_address::try_parse(text)) << text;
  }
}

TEST(SocketAddress, ParseError_QuotesTheText) {
  try {
    socket_address::parse("example:80");
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "not a socket address: \"example:80\"");
  }
}

TEST(SocketAddress, Parts_AreWhatTheTextSays) {
  const socket_address v4("10.1.2.3:456");
  EXPECT_EQ(v4.family(), address_family::ipv4);
  EXPECT_EQ(v4.host(), "10.1.2.3");
  EXPECT_EQ(v4.port(), 456);

  const socket_address v6("[fe80::2%7]:8");
  EXPECT_EQ(v6.family(), address_family::ipv6);
  EXPECT_EQ(v6.host(), "fe80::2%7");
  EXPECT_EQ(v6.port(), 8);

  const socket_address path("unix:/tmp/x");
  EXPECT_EQ(path.family(), address_family::local);
  EXPECT_EQ(path.host(), "/tmp/x");
  EXPECT_EQ(path.port(), 0);
}

TEST(SocketAddress, WithPort_ChangesThePortOnly) {
  EXPECT_EQ(socket_address("1.2.3.4:5").with_port(6).to_string(), "1.2.3.4:6");
  EXPECT_EQ(socket_address("[::1%2]:5").with_port(6).to_string(), "[::1%2]:6");
}

TEST(SocketAddress, FromHost_TakesNumbersOnly) {
  EXPECT_EQ(socket_address::from_host("::1", 80)->to_string(), "[::1]:80");
  EXPECT_EQ(socket_address::from_host("1.2.3.4", 80)->to_string(), "1.2.3.4:80");
  EXPECT_FALSE(socket_address::from_host("localhost", 80));
  EXPECT_FALSE(socket_address::from_host("", 80));
}

TEST(SocketAddress, LongestPath_Fits) {
  const std::string path = "/" + std::string(106, 'x');

  EXPECT_EQ(socket_address::from_path(path).host(), path);
  EXPECT_THROW(socket_address::from_path(path + "x"), std::invalid_argument);
}

TEST(SocketAddress, Default_IsNone) {
  EXPECT_EQ(socket_address().family(), address_family::none);
  EXPECT_EQ(socket_address().to_string(), "none");
}

TEST(SocketAddress, Order_IsByFamilyHostPort) {
  EXPECT_LT(socket_address("9.9.9.9:9"), socket_address("[::1]:1"));
  EXPECT_LT(socket_address("1.1.1.1:9"), socket_address("1.1.1.2:1"));
  EXPECT_LT(socket_address("1.1.1.1:1"), socket_address("1.1.1.1:2"));
  EXPECT_LT(socket_address("[fe80::1%1]:1"), socket_address("[fe80::1%2]:1"));
  EXPECT_EQ(socket_address("[0::1]:1"), socket_address("[::1]:1"));
  EXPECT_NE(socket_address("unix:x"), socket_address("unix:@x"));
}

TEST(SocketAddress, Hash_FollowsEquality) {
  std::unordered_set<socket_address> known{"1.2.3.4:5", "[::1]:5", "unix:x", "unix:@x"};

  EXPECT_TRUE(known.contains("1.2.3.4:5"));
  EXPECT_TRUE(known.contains("[0::1]:5"));
  EXPECT_FALSE(known.contains("1.2.3.4:6"));
  EXPECT_EQ(known.size(), 4u);
}

}  // namespace
}  // namespace weft
