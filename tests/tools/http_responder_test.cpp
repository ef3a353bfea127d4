#include <weft/tools/support/http_responder.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tools {

using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

constexpr http_moment now{.date = "Sun, 06 Nov 1994 08:49:37 GMT"};
constexpr http_moment closing{.date = now.date, .is_closing = true};

constexpr std::string_view get = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view plaintext =
    "HTTP/1.1 200 OK\r\nServer: weft\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n"
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nHello, World!";

struct outcome {
  std::string out;
  http_next next = http_next::read;

  [[nodiscard]] int status() const { return out.size() < 12 ? 0 : std::stoi(out.substr(9, 3)); }
  [[nodiscard]] bool contains(std::string_view text) const {
    return out.find(text) != std::string::npos;
  }
  [[nodiscard]] std::string body() const { return out.substr(out.find("\r\n\r\n") + 4); }
};

outcome feed(http_responder& responder, std::string_view bytes, http_moment at = now) {
  outcome result;
  result.next = responder.feed(bytes, at, result.out);
  return result;
}

outcome answer(std::string_view bytes) {
  http_responder responder;
  return feed(responder, bytes);
}

outcome answer_byte_by_byte(std::string_view bytes) {
  http_responder responder;
  outcome result;
  for (const char& byte : bytes) {
    if (result.next != http_next::read) break;
    result.next = responder.feed({&byte, 1}, now, result.out);
  }
  return result;
}

std::string request(std::string_view line, std::string_view fields = "Host: a\r\n") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}

}  // namespace

TEST(HttpResponder, Plaintext_IsAnsweredAndTheConnectionStaysOpen) {
  const outcome result = answer(get);

  EXPECT_EQ(result.out, plaintext);
  EXPECT_EQ(result.next, http_next::read);
}

TEST(HttpResponder, Json_IsAnswered) {
  const outcome result = answer(request("GET /json HTTP/1.1"));

  EXPECT_TRUE(result.contains("Content-Type: application/json\r\n"));
  EXPECT_EQ(result.body(), R"({"message":"Hello, World!"})");
}

TEST(HttpResponder, Query_IsNoPartOfTheRoute) {
  EXPECT_EQ(answer(request("GET /plaintext?a=/b HTTP/1.1")).out, plaintext);
}

TEST(HttpResponder, AbsoluteTarget_IsUnderstood) {
  EXPECT_EQ(answer(request("GET http://a/plaintext HTTP/1.1")).out, plaintext);
  EXPECT_EQ(answer(request("GET HTTP://B:80/plaintext HTTP/1.1")).out, plaintext);
  EXPECT_EQ(answer(request("GET http://b HTTP/1.1")).status(), 404);
  EXPECT_EQ(answer(request("GET http:///plaintext HTTP/1.1")).status(), 400);
  EXPECT_EQ(answer(request("GET http://user@a/plaintext HTTP/1.1")).status(), 400);
}

TEST(HttpResponder, UnknownRoute_Is404AndTheConnectionStaysOpen) {
  const outcome result = answer(request("GET /nowhere HTTP/1.1"));

  EXPECT_EQ(result.status(), 404);
  EXPECT_EQ(result.next, http_next::read);
}

TEST(HttpResponder, OtherMethod_Is405AndNamesTheAllowedOnes) {
  const outcome result = answer(request("DELETE /plaintext HTTP/1.1"));

  EXPECT_EQ(result.status(), 405);
  EXPECT_TRUE(result.contains("\r\nAllow: GET, HEAD\r\n"));
  EXPECT_EQ(result.next, http_next::read);
}

TEST(HttpResponder, UnknownMethod_Is501) {
  for (const char* const line : {"BREW /plaintext HTTP/1.1", "get /plaintext HTTP/1.1",
                                 "BREW /nowhere HTTP/1.1", "CONNECT a:80 HTTP/1.1"}) {
    const outcome result = answer(request(line));
    EXPECT_EQ(result.status(), 501) << line;
    EXPECT_EQ(result.next, http_next::read);
  }
}

TEST(HttpResponder, Head_GetsTheSameHeadWithoutTheBody) {
  const outcome result = answer(request("HEAD /plaintext HTTP/1.1"));

  EXPECT_EQ(result.out, plaintext.substr(0, plaintext.find("Hello")));
}

// ---- Cut and batched ----------------------------------------------------------------------------

TEST(HttpResponder, SplitAnywhere_GivesTheSameAnswers) {
  const std::string input = std::string(get) +
                            request("POST /json HTTP/1.1", "Host: a\r\nContent-Length: 5\r\n") +
                            "GET /\n" + request("HEAD /json HTTP/1.1") + std::string(get);
  const outcome whole = answer(input);

  for (std::size_t cut = 0; cut <= input.size(); ++cut) {
    http_responder responder;
    const outcome first = feed(responder, std::string_view(input).substr(0, cut));
    const outcome second = feed(responder, std::string_view(input).substr(cut));
    ASSERT_EQ(first.out + second.out, whole.out) << "cut at " << cut;
  }
}

TEST(HttpResponder, ByteByByte_GivesTheSameAnswers) {
  const std::string input = std::string(get) + request("GET /json HTTP/1.1") + std::string(get);

  EXPECT_EQ(answer_byte_by_byte(input).out, answer(input).out);
}

TEST(HttpResponder, Pipelined_AreAnsweredInOneBatch) {
  std::string requests;
  std::string answers;
  for (int i = 0; i < 100; ++i) {
    requests += get;
    answers += plaintext;
  }

  EXPECT_EQ(answer(requests).out, answers);
}

TEST(HttpResponder, IncompleteHead_WaitsInsideARequest) {
  http_responder responder;

  const outcome result = feed(responder, get.substr(0, 20));

  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.next, http_next::read);
  EXPECT_TRUE(responder.is_inside_request());
}

TEST(HttpResponder, AfterAnAnswer_IsOutsideOfRequests) {
  http_responder responder;

  (void)feed(responder, get.substr(0, 20));
  (void)feed(responder, get.substr(20));

  EXPECT_FALSE(responder.is_inside_request());
}

TEST(HttpResponder, OneEmptyLineBefore_IsIgnored) {
  EXPECT_EQ(answer("\r\n" + std::string(get)).out, plaintext);
  EXPECT_EQ(answer_byte_by_byte("\r\n" + std::string(get)).out, plaintext);
  EXPECT_EQ(answer("\r\n\r\n" + std::string(get)).status(), 400);
  EXPECT_EQ(answer_byte_by_byte("\r\n\r\n" + std::string(get)).status(), 400);
}

// ---- Bodies -------------------------------------------------------------------------------------

TEST(HttpResponder, Body_IsSkipped) {
  const outcome result = answer(
      "GET /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /" + std::string(get));

  EXPECT_EQ(result.out, std::string(plaintext) + std::string(plaintext));
}

TEST(HttpResponder, UnfinishedBody_IsInsideARequest) {
  http_responder responder;

  (void)feed(responder, "GET /json HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc");

  EXPECT_TRUE(responder.is_inside_request());
}

TEST(HttpResponder, TooLongBody_Is413AndLingers) {
  http_responder responder;

  const outcome result =
      feed(responder, "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");

  EXPECT_EQ(result.status(), 413);
  EXPECT_EQ(result.next, http_next::close);
  EXPECT_TRUE(responder.should_linger());
}

TEST(HttpResponder, ExpectContinue_IsAnsweredAndClosed) {
  const outcome result =
      answer("POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");

  EXPECT_EQ(result.status(), 405);
  EXPECT_EQ(result.next, http_next::close);
}

// ---- Closing ------------------------------------------------------------------------------------

TEST(HttpResponder, ConnectionClose_IsHonoured) {
  const outcome result =
      answer(request("GET /plaintext HTTP/1.1", "Host: a\r\nConnection: x, Close\r\n"));

  EXPECT_EQ(result.status(), 200);
  EXPECT_TRUE(result.contains("\r\nConnection: close\r\n"));
  EXPECT_EQ(result.next, http_next::close);
}

TEST(HttpResponder, RequestsAfterConnectionClose_AreIgnored) {
  const std::string last = request("GET /json HTTP/1.1", "Host: a\r\nConnection: close\r\n");

  EXPECT_EQ(answer(last + std::string(get)).out, answer(last).out);
}

TEST(HttpResponder, Version1_0_ClosesUnlessAskedNot) {
  EXPECT_EQ(answer("GET /plaintext HTTP/1.0\r\n\r\n").next, http_next::close);

  const outcome kept = answer("GET /plaintext HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.next, http_next::read);
  EXPECT_TRUE(kept.contains("\r\nConnection: keep-alive\r\n"));
}

TEST(HttpResponder, ClosingServer_AnswersOnceAndCloses) {
  http_responder responder;

  const outcome result = feed(responder, std::string(get) + std::string(get), closing);

  EXPECT_EQ(result.body(), "Hello, World!");
  EXPECT_TRUE(result.contains("\r\nConnection: close\r\n"));
  EXPECT_EQ(result.next, http_next::close);
}

TEST(HttpResponder, TimeOut_InsideARequestIs408) {
  http_responder responder;
  std::string out;

  (void)feed(responder, "GET /");
  responder.time_out(now, out);

  EXPECT_TRUE(out.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST(HttpResponder, TimeOut_BetweenRequestsIsSilent) {
  http_responder responder;
  std::string out;

  (void)feed(responder, get);
  responder.time_out(now, out);

  EXPECT_EQ(out, "");
}

// ---- /sleep -------------------------------------------------------------------------------------

TEST(HttpResponder, Sleep_HoldsTheAnswerBack) {
  http_responder responder;

  const outcome asked = feed(responder, request("GET /sleep/250 HTTP/1.1"));

  EXPECT_EQ(asked.out, "");
  EXPECT_EQ(asked.next, http_next::pause);
  EXPECT_EQ(responder.pause_length(), 250ms);
}

TEST(HttpResponder, Sleep_KeepsTheOrderOfPipelinedRequests) {
  http_responder responder;
  outcome later;

  const outcome before = feed(responder, std::string(get) + request("GET /sleep/9 HTTP/1.1") +
                                             std::string(get) + "GET /js");
  later.next = responder.resume(now, later.out);
  const outcome rest = feed(responder, "on HTTP/1.1\r\nHost: a\r\n\r\n");

  EXPECT_EQ(before.out, plaintext);
  EXPECT_TRUE(later.contains("\r\n\r\nslept 9 ms\n"));
  EXPECT_TRUE(later.out.ends_with(plaintext));
  EXPECT_EQ(later.next, http_next::read);
  EXPECT_TRUE(rest.contains("application/json"));
}

TEST(HttpResponder, Sleep_AnswersOnceWhenTheServerClosesMeanwhile) {
  http_responder responder;
  outcome later;

  (void)feed(responder, request("GET /sleep/9 HTTP/1.1") + std::string(get));
  later.next = responder.resume(closing, later.out);

  EXPECT_EQ(later.body(), "slept 9 ms\n");
  EXPECT_EQ(later.next, http_next::close);
}

TEST(HttpResponder, Sleep_IsBounded) {
  EXPECT_EQ(answer(request("GET /sleep/60000 HTTP/1.1")).next, http_next::pause);
  EXPECT_EQ(answer(request("GET /sleep/60001 HTTP/1.1")).status(), 400);
  EXPECT_EQ(answer(request("GET /sleep/99999999999999999999 HTTP/1.1")).status(), 404);
  EXPECT_EQ(answer(request("GET /sleep/-1 HTTP/1.1")).status(), 404);
  EXPECT_EQ(answer(request("GET /sleep/ HTTP/1.1")).status(), 404);
}

// ---- Bad input ----------------------------------------------------------------------------------

TEST(HttpResponder, LongRequestLine_Is414EvenBeforeItsEnd) {
  const std::string line = "GET /" + std::string(5000, 'a');

  EXPECT_EQ(answer(line).status(), 414);
  EXPECT_EQ(answer(request(line + " HTTP/1.1")).status(), 414);
}

TEST(HttpResponder, LongHead_Is431EvenBeforeItsEnd) {
  const std::string field = "X: " + std::string(9000, 'a');

  EXPECT_EQ(answer("GET / HTTP/1.1\r\nHost: a\r\n" + field).status(), 431);
  EXPECT_EQ(answer(request("GET / HTTP/1.1", "Host: a\r\n" + field + "\r\n")).status(), 431);
}

TEST(HttpResponder, ManyFields_Are431) {
  std::string fields = "Host: a\r\n";
  for (int i = 0; i < 100; ++i) fields += "X: y\r\n";

  EXPECT_EQ(answer(request("GET /json HTTP/1.1", fields)).status(), 431);
}

TEST(HttpResponder, Refusals_CloseTheConnectionAndEchoNothing) {
  const outcome result = answer(request("GET /secret HTTP/1.1", "no colon\r\n"));

  EXPECT_EQ(result.next, http_next::close);
  EXPECT_TRUE(result.contains("\r\nConnection: close\r\n"));
  EXPECT_FALSE(result.contains("secret"));
}

struct bad_input {
  const char* name;
  std::string bytes;
  std::vector<int> statuses;  // each of them is fine

  friend void PrintTo(const bad_input& input, std::ostream* out) { *out << input.name; }
};

class HttpResponderBadInput : public testing::TestWithParam<bad_input> {};

TEST_P(HttpResponderBadInput, Bytes_AreRefusedAtOnceHoweverTheyAreCut) {
  const auto [name, bytes, statuses] = GetParam();

  for (const outcome& result : {answer(bytes), answer_byte_by_byte(bytes)}) {
    EXPECT_NE(std::ranges::find(statuses, result.status()), statuses.end()) << result.out;
    EXPECT_EQ(result.next, http_next::close);
  }
}

std::string post(std::string_view fields) {
  return request("POST /json HTTP/1.1", fields);
}
std::string field(std::string_view line) {
  return request("GET /json HTTP/1.1", "Host: a\r\n" + std::string(line) + "\r\n");
}

INSTANTIATE_TEST_SUITE_P(
    Framing, HttpResponderBadInput,
    testing::Values(
        bad_input{"length_and_encoding",
                  post("Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
                  {400}},
        bad_input{
            "lengths_differ", post("Host: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"), {400}},
        bad_input{"length_list", post("Host: a\r\nContent-Length: 4, 4\r\n"), {400}},
        bad_input{"length_minus", post("Host: a\r\nContent-Length: -1\r\n"), {400}},
        bad_input{"length_plus", post("Host: a\r\nContent-Length: +1\r\n"), {400}},
        bad_input{"length_hex", post("Host: a\r\nContent-Length: 0x4\r\n"), {400}},
        bad_input{"length_empty", post("Host: a\r\nContent-Length: \r\n"), {400}},
        bad_input{"length_underscore", post("Host: a\r\nContent-Length: 1_0\r\n"), {400}},
        bad_input{
            "length_huge", post("Host: a\r\nContent-Length: 99999999999999999999\r\n"), {400}},
        bad_input{"chunked", post("Host: a\r\nTransfer-Encoding: chunked\r\n"), {411, 501}},
        bad_input{
            "encoding_unknown", post("Host: a\r\nTransfer-Encoding: xchunked\r\n"), {400, 501}},
        bad_input{
            "chunked_not_last", post("Host: a\r\nTransfer-Encoding: chunked, gzip\r\n"), {400}},
        bad_input{"chunked_twice",
                  post("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                  {400}},
        bad_input{"chunked_after_comma", post("Host: a\r\nTransfer-Encoding: ,chunked\r\n"), {400}},
        bad_input{"encoding_vertical_tab",
                  post("Host: a\r\nTransfer-Encoding:\x0b"
                       "chunked\r\n"),
                  {400}},
        bad_input{"encoding_folded", post("Host: a\r\nTransfer-Encoding:\r\n chunked\r\n"), {400}},
        bad_input{"encoding_in_1_0",
                  request("POST /json HTTP/1.0", "Host: a\r\nTransfer-Encoding: chunked\r\n"),
                  {400}},
        bad_input{"expect_unknown", post("Host: a\r\nExpect: wonders\r\n"), {417}}));

INSTANTIATE_TEST_SUITE_P(
    Head, HttpResponderBadInput,
    testing::Values(
        bad_input{"space_before_first_field", request("GET /json HTTP/1.1", " Host: a\r\n"), {400}},
        bad_input{"space_before_colon", field("X : a"), {400}},
        bad_input{"folded", field("X: a\r\n b"), {400}},
        bad_input{"bare_lf", "GET / HTTP/1.1\nHost: a\n\n", {400}},
        bad_input{"bare_cr",
                  "GET / HTTP/1.1\r\nHost: a\r\n\rZGET /evil: HTTP/1.1\r\nHost: a\r\n\r\n",
                  {400}},
        bad_input{"nul_in_value", field("X: a\0b"s), {400}},
        bad_input{"delete_in_value",
                  field("X: a\x7f"
                        "b"),
                  {400}},
        bad_input{"name_no_token", field("X(y): a"), {400}},
        bad_input{"name_empty", field(": a"), {400}}, bad_input{"no_colon", field("X"), {400}},
        bad_input{"no_host", request("GET /json HTTP/1.1", "X: a\r\n"), {400}},
        bad_input{"two_hosts", field("Host: a"), {400}},
        bad_input{"host_with_space", request("GET /json HTTP/1.1", "Host: a b\r\n"), {400}},
        bad_input{"version_2", request("GET /json HTTP/2.0"), {505}},
        bad_input{"http2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
        bad_input{"version_lower_case", request("GET /json http/1.1"), {400}},
        bad_input{"version_missing", request("GET /json"), {400}},
        bad_input{"version_long", request("GET /json HTTP/1.1x"), {400}},
        bad_input{"tabs", request("GET\t/json\tHTTP/1.1"), {400}},
        bad_input{"two_spaces", request("GET  /json HTTP/1.1"), {400}},
        bad_input{"space_in_target", request("GET /a b HTTP/1.1"), {400}},
        bad_input{"high_byte_in_target", request("GET /\xff HTTP/1.1"), {400}},
        bad_input{"fragment_in_target", request("GET /json#a HTTP/1.1"), {400}},
        bad_input{"target_no_path", request("GET ! HTTP/1.1"), {400}},
        bad_input{"target_star", request("GET * HTTP/1.1"), {400}},
        bad_input{"connect_path", request("CONNECT /x HTTP/1.1"), {400}},
        bad_input{"method_no_token", request("G{T /json HTTP/1.1"), {400}},
        bad_input{"nul_first", "\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"s, {400}},
        bad_input{"tls_hello", "\x16\x03\x01\x02"s, {400}}));

}  // namespace weft::tools
