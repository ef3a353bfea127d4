#include <weft/runtime/detail/wire.h>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

enum class colour : std::uint8_t { red, green };
struct point {
  int x;
  double y;
};

static_assert(is_transferable<int> && is_transferable<colour> && is_transferable<point>);
static_assert(is_transferable<std::array<int, 3>>);
static_assert(is_transferable<std::vector<std::tuple<std::string, std::optional<point>>>>);
static_assert(!is_transferable<int*> && !is_transferable<int&> && !is_transferable<int[3]>);
static_assert(!is_transferable<std::string_view> && !is_transferable<std::span<int>>);
static_assert(!is_transferable<std::reference_wrapper<int>>);
static_assert(!is_transferable<std::vector<std::string_view>>);

template <class T>
T through(const T& value) {
  wire_writer to;
  to.put(value);
  const std::string bytes = std::move(to).take();
  wire_reader from(bytes);
  T read = from.get<T>();
  EXPECT_TRUE(from.rest().empty());
  return read;
}

TEST(Wire, Values_ComeOutAsTheyWentIn) {
  const point where = through(point{1, 2.5});

  EXPECT_EQ(through(-7), -7);
  EXPECT_EQ(through(colour::green), colour::green);
  EXPECT_EQ(where.x, 1);
  EXPECT_EQ(where.y, 2.5);
  EXPECT_EQ(through(std::string("a\0b", 3)), std::string("a\0b", 3));
  EXPECT_EQ(through(std::vector<bool>{true, false, true}), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(through(std::vector<std::string>{"a", "", "c"}),
            (std::vector<std::string>{"a", "", "c"}));
  EXPECT_EQ(through(std::optional<int>()), std::nullopt);
  EXPECT_EQ(through(std::optional<std::string>("x")), "x");
  EXPECT_EQ(through(std::pair<int, std::string>(1, "x")), (std::pair<int, std::string>(1, "x")));
  EXPECT_EQ(through(std::tuple<int, std::string, double>(1, "x", 0.5)),
            (std::tuple<int, std::string, double>(1, "x", 0.5)));
}

TEST(Wire, SeveralValues_KeepTheirOrder) {
  wire_writer to;
  to.put(1);
  to.put(std::string("two"));
  const std::string bytes = std::move(to).take();

  wire_reader from(bytes);

  EXPECT_EQ(from.get<int>(), 1);
  EXPECT_EQ(from.get<std::string>(), "two");
}

TEST(Wire, MissingBytes_AreAnError) {
  wire_writer to;
  to.put(std::string("long enough"));
  const std::string bytes = std::move(to).take();

  EXPECT_THROW((void)wire_reader(bytes.substr(0, 12)).get<std::string>(), std::runtime_error);
  EXPECT_THROW((void)wire_reader("abc").get<int>(), std::runtime_error);
  EXPECT_THROW((void)wire_reader(std::string(8, '\xff')).get<std::string>(), std::runtime_error);
  EXPECT_THROW((void)wire_reader(std::string(8, '\xff')).get<std::vector<int>>(),
               std::runtime_error);
}

}  // namespace
}  // namespace weft::detail
