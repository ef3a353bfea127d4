#pragma once

// Values as bytes, for a process that runs the same program: no versions, no byte order. Numbers,
// enumerations and plain structs of them are copied as they lie in memory; strings, vectors,
// optionals, pairs and tuples hold their parts one after the other, sizes in front.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::detail {

/// Copied as it is. A struct must be an aggregate: what has a constructor, such as a string_view,
/// may refer to memory that does not come along. So may a pointer inside of an aggregate, which
/// nobody can see from here.
template <class T>
inline constexpr bool is_plain = std::is_arithmetic_v<T> || std::is_enum_v<T> ||
                                 (std::is_aggregate_v<T> && std::is_trivially_copyable_v<T> &&
                                  !std::is_array_v<T> && std::is_default_constructible_v<T>);

template <class T>
inline constexpr bool is_transferable = is_plain<T>;
template <>
inline constexpr bool is_transferable<std::string> = true;
template <class T>
inline constexpr bool is_transferable<std::vector<T>> = is_transferable<T>;
template <class T>
inline constexpr bool is_transferable<std::optional<T>> = is_transferable<T>;
template <class A, class B>
inline constexpr bool is_transferable<std::pair<A, B>> = is_transferable<A> && is_transferable<B>;
template <class... T>
inline constexpr bool is_transferable<std::tuple<T...>> = (is_transferable<T> && ...);

class wire_writer {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(is_transferable<T>);
    if constexpr (is_plain<T>) {
      bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    } else {
      put_parts(value);
    }
  }
  [[nodiscard]] std::string take() && noexcept { return std::move(bytes_); }

 private:
  void put_parts(const std::string& text) {
    put(std::uint64_t{text.size()});
    bytes_ += text;
  }
  template <class T>
  void put_parts(const std::vector<T>& values) {
    put(std::uint64_t{values.size()});
    for (const T& each : values) put<T>(each);
  }
  template <class T>
  void put_parts(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put<T>(*value);
  }
  template <class... T>
  void put_parts(const std::tuple<T...>& values) {
    std::apply([this](const T&... each) { (put<T>(each), ...); }, values);
  }
  template <class A, class B>
  void put_parts(const std::pair<A, B>& values) {
    put<A>(values.first);
    put<B>(values.second);
  }

  std::string bytes_;
};

/// Reads in the order of the writer. Throws std::runtime_error when there are too few bytes.
class wire_reader {
 public:
  explicit wire_reader(std::string_view bytes) noexcept : left_(bytes) {}

  template <class T>
  T get() {
    static_assert(is_transferable<T>);
    if constexpr (is_plain<T>) {
      const std::string_view bytes = next(sizeof(T));
      T value;
      std::memcpy(&value, bytes.data(), sizeof value);
      return value;
    } else {
      return get_parts(std::type_identity<T>());
    }
  }
  [[nodiscard]] std::string_view rest() const noexcept { return left_; }

 private:
  std::string_view next(std::uint64_t count) {
    if (count > left_.size()) throw std::runtime_error("a message between processes is cut off");
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }
  std::string get_parts(std::type_identity<std::string>) {
    const auto size = get<std::uint64_t>();
    return std::string(next(size));
  }
  template <class T>
  std::vector<T> get_parts(std::type_identity<std::vector<T>>) {
    std::vector<T> values;
    for (auto left = get<std::uint64_t>(); left > 0; --left) values.push_back(get<T>());
    return values;
  }
  template <class T>
  std::optional<T> get_parts(std::type_identity<std::optional<T>>) {
    if (!get<bool>()) return std::nullopt;
    return get<T>();
  }
  template <class... T>
  std::tuple<T...> get_parts(std::type_identity<std::tuple<T...>>) {
    return std::tuple<T...>{get<T>()...};  // braces: from left to right
  }
  template <class A, class B>
  std::pair<A, B> get_parts(std::type_identity<std::pair<A, B>>) {
    A first = get<A>();
    B second = get<B>();
    return {std::move(first), std::move(second)};
  }

  std::string_view left_;
};

}  // namespace weft::detail
