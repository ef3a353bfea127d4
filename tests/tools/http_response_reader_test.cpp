#include <weft/tools/support/http_response_reader.h>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace weft::tools {

namespace {

constexpr std::string_view response = "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\nX: y\r\n\r\nhello";

std::string problem_of(std::string_view bytes) {
  http_response_reader reader;
  try {
    reader.feed(bytes);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST(HttpResponseReader, SplitAnywhere_EndsWithTheLastByte) {
  for (std::size_t cut = 0; cut < response.size(); ++cut) {
    http_response_reader reader;
    reader.feed(response.substr(0, cut));
    ASSERT_FALSE(reader.is_complete()) << cut;
    reader.feed(response.substr(cut));
    ASSERT_TRUE(reader.is_complete()) << cut;
  }
}

TEST(HttpResponseReader, ByteByByte_EndsWithTheLastByte) {
  http_response_reader reader;

  for (const char& byte : response) reader.feed({&byte, 1});

  EXPECT_TRUE(reader.is_complete());
}

TEST(HttpResponseReader, Restart_ReadsTheNextResponse) {
  http_response_reader reader;
  reader.feed(response);

  reader.restart();

  EXPECT_FALSE(reader.is_complete());
  reader.feed(response);
  EXPECT_TRUE(reader.is_complete());
}

TEST(HttpResponseReader, ConnectionClose_IsNoticed) {
  http_response_reader reader;

  reader.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n");

  EXPECT_TRUE(reader.is_complete());
  EXPECT_TRUE(reader.closes());
}

TEST(HttpResponseReader, BadResponses_SayWhatIsWrong) {
  EXPECT_EQ(problem_of("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "status 404");
  EXPECT_EQ(problem_of("SSH-2.0-OpenSSH\r\n\r\n"), "the answer is not HTTP/1.1");
  EXPECT_EQ(problem_of("HTTP/1.1 200 OK\r\n\r\n"), "a response without Content-Length");
  EXPECT_EQ(problem_of("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
            "a response with a bad Content-Length");
  EXPECT_EQ(problem_of(std::string(response) + "!"), "more bytes than Content-Length says");
  EXPECT_EQ(problem_of("HTTP/1.1 " + std::string(20'000, 'x')),
            "a response head of more than 16 KiB");
}

}  // namespace weft::tools
