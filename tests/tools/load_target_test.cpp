#include <weft/tools/support/load_target.h>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace weft::tools {

TEST(LoadTarget, HostAndPort_IsAnEchoServer) {
  const auto target = load_target::parse("127.0.0.1:7000");

  EXPECT_FALSE(target.is_http());
  EXPECT_EQ(target.host, "127.0.0.1");
  EXPECT_EQ(target.port, "7000");
}

TEST(LoadTarget, BracketsOfAnIpv6Address_AreTakenOff) {
  EXPECT_EQ(load_target::parse("[::1]:7000").host, "::1");
  EXPECT_EQ(load_target::parse("http://[::1]/").host, "::1");
}

TEST(LoadTarget, Url_IsAnHttpServer) {
  const auto target = load_target::parse("http://localhost:8080/a?b");

  EXPECT_EQ(target.host, "localhost");
  EXPECT_EQ(target.port, "8080");
  EXPECT_EQ(target.http_request, "GET /a?b HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
}

TEST(LoadTarget, Url_MayLeaveOutPortAndPath) {
  const auto target = load_target::parse("http://a");

  EXPECT_EQ(target.port, "80");
  EXPECT_EQ(target.http_request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(LoadTarget, Nonsense_IsQuoted) {
  for (const std::string text : {"", "a", "a:", ":1", "a:0", "a:65536", "a:b", "https://a/",
                                 "http://", "http://a:x/", "http://a/b c", "a:1/path"}) {
    try {
      (void)load_target::parse(text);
      ADD_FAILURE() << text;
    } catch (const std::invalid_argument& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with('"' + text + '"')) << error.what();
    }
  }
}

}  // namespace weft::tools
