#include <weft/fs/detail/owned_path.h>

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace weft::detail {
namespace {

TEST(OwnedPath, PartOfAText_GetsItsNul) {
  const std::string_view text = "abc/def";

  const owned_path path(text.substr(0, 3));

  EXPECT_STREQ(path.c_str(), "abc");
}

TEST(OwnedPath, AnyLength_SurvivesMoves) {
  for (const std::size_t size : {0U, 1U, 94U, 95U, 96U, 97U, 4000U}) {
    const std::string text(size, 'x');
    owned_path first{fs::path_view(text)};

    owned_path second(std::move(first));
    owned_path third(fs::path_view("other"));
    third = std::move(second);

    EXPECT_EQ(third.string(), text);
  }
}

TEST(OwnedPath, Nul_IsRefusedAndQuoted) {
  using namespace std::string_view_literals;
  try {
    const owned_path path(fs::path_view("a\0b"sv));
    ADD_FAILURE();
  } catch (const std::invalid_argument& error) {
    EXPECT_NE(std::string_view(error.what()).find("a\0b"sv.substr(0, 1)), std::string_view::npos);
  }
}

}  // namespace
}  // namespace weft::detail
