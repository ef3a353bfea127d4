#include <weft/fs/detail/fresh_name.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace weft::detail {
namespace {

TEST(FreshName, Names_BeginWithThePrefixAndDiffer) {
  std::set<std::string> names;
  std::string name;

  const int made = with_fresh_name("a/b.", name, [&](const char* each) {
    names.insert(each);
    return names.size() < 20 ? EEXIST : 0;
  });

  EXPECT_EQ(made, 0);
  EXPECT_EQ(names.size(), 20U);
  EXPECT_TRUE(name.starts_with("a/b."));
  EXPECT_TRUE(names.contains(name));
}

TEST(FreshName, OtherError_EndsTheSearch) {
  std::string name;
  int calls = 0;

  const int made = with_fresh_name("a", name, [&](const char*) { return ++calls, EACCES; });

  EXPECT_EQ(made, EACCES);
  EXPECT_EQ(calls, 1);
}

TEST(FreshName, AllNamesTaken_IsAnErrorInTheEnd) {
  std::string name;

  EXPECT_EQ(with_fresh_name("a", name, [](const char*) { return EEXIST; }), EEXIST);
}

}  // namespace
}  // namespace weft::detail
