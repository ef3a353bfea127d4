#include <weft/runtime/detail/intrusive_list.h>

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace weft::detail {
namespace {

struct item : list_node {
  explicit item(char given) : name(given) {}
  char name;
};
using list = intrusive_list<item>;

// Usable before main, and by other static objects.
constinit list global_list;

std::string names_of(list& items) {
  std::string names;
  for (item* each = items.front(); each != nullptr; each = items.after(*each)) names += each->name;
  return names;
}

TEST(IntrusiveList, NewList_IsEmpty) {
  list items;

  EXPECT_TRUE(items.empty());
  EXPECT_EQ(items.front(), nullptr);
  EXPECT_EQ(items.pop_front(), nullptr);
  EXPECT_TRUE(global_list.empty());
}

TEST(IntrusiveList, PushBack_KeepsTheOrder) {
  list items;
  item a('a'), b('b'), c('c');

  for (item* each : {&a, &b, &c}) items.push_back(*each);

  EXPECT_EQ(names_of(items), "abc");
  EXPECT_EQ(items.pop_front(), &a);
  EXPECT_EQ(items.pop_front(), &b);
  EXPECT_EQ(items.pop_front(), &c);
  EXPECT_TRUE(items.empty());
}

TEST(IntrusiveList, PushFront_Overtakes) {
  list items;
  item a('a'), b('b');

  items.push_front(a);
  items.push_front(b);

  EXPECT_EQ(names_of(items), "ba");
  while (items.pop_front() != nullptr) {
  }
}

TEST(IntrusiveList, Unlink_TakesOutOfTheMiddle) {
  list items;
  item a('a'), b('b'), c('c');
  for (item* each : {&a, &b, &c}) items.push_back(*each);

  list::unlink(b);

  EXPECT_EQ(names_of(items), "ac");
  EXPECT_FALSE(b.linked());
  EXPECT_TRUE(a.linked());
  list::unlink(a);
  list::unlink(c);
  EXPECT_TRUE(items.empty());
}

TEST(IntrusiveList, UnlinkedElement_MayJoinAgain) {
  list items;
  list others;
  item a('a');
  items.push_back(a);

  list::unlink(a);
  others.push_back(a);

  EXPECT_TRUE(items.empty());
  EXPECT_EQ(others.pop_front(), &a);
}

TEST(IntrusiveList, SpliceBack_MovesAllInOrder) {
  list items;
  list others;
  item a('a'), b('b'), c('c');
  items.push_back(a);
  others.push_back(b);
  others.push_back(c);

  items.splice_back(others);

  EXPECT_TRUE(others.empty());
  EXPECT_EQ(names_of(items), "abc");
  while (items.pop_front() != nullptr) {
  }
}

TEST(IntrusiveList, CopyOfAnElement_IsInNoList) {
  list items;
  item a('a');
  items.push_back(a);

  const item copy(a);
  item assigned('x');
  assigned = a;

  EXPECT_FALSE(copy.linked());
  EXPECT_FALSE(assigned.linked());
  EXPECT_EQ(assigned.name, 'a');
  items.pop_front();
}

}  // namespace
}  // namespace weft::detail
