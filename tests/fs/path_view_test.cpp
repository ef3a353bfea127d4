#include <weft/fs/path_view.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>

namespace weft::fs {
namespace {

static_assert(std::is_trivially_copyable_v<path_view>);
static_assert(!std::is_convertible_v<int, path_view>);

std::string_view text_of(path_view path) {
  return path.text();
}

TEST(PathView, AllKindsOfText_AreThatText) {
  const std::string owned = "a/owned";
  const std::filesystem::path path = "a/path";

  EXPECT_EQ(text_of("a/literal"), "a/literal");
  EXPECT_EQ(text_of(owned), "a/owned");
  EXPECT_EQ(text_of(path), "a/path");
  EXPECT_EQ(text_of(std::string_view("a/view").substr(0, 3)), "a/v");
}

TEST(PathView, Path_IsNotCopied) {
  const std::filesystem::path path = "a/path";

  EXPECT_EQ(text_of(path).data(), path.native().data());
}

}  // namespace
}  // namespace weft::fs
