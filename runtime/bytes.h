#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace weft {

namespace detail {

template <class T>
concept byte_like =
    std::same_as<std::remove_cv_t<T>, char> || std::same_as<std::remove_cv_t<T>, unsigned char> ||
    std::same_as<std::remove_cv_t<T>, std::byte>;

/// Memory that holds plain bytes: std::string, std::vector<std::byte>, std::array<unsigned char,
/// 4>.
template <class R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                     byte_like<std::ranges::range_value_t<R>>;

/// Up to the first NUL, if there is one.
constexpr std::size_t text_length(const char* text, std::size_t size_max) noexcept {
  const char* const nul = std::char_traits<char>::find(text, size_max, '\0');
  return nul == nullptr ? size_max : static_cast<std::size_t>(nul - text);
}

template <class R>
using element_of = std::remove_reference_t<std::ranges::range_reference_t<R>>;

}  // namespace detail

/// What every write takes: text, or a contiguous range of char, unsigned char or std::byte.
///
/// Refers to the bytes, which must stay until the write has ended. A literal counts without its
/// NUL, and so does a `char` array: up to the first one, or all of it when there is none. For bytes
/// among which a NUL is one like the others, pass a std::span or a std::string_view.
class byte_view {
 public:
  constexpr byte_view() noexcept = default;
  /// Up to the first NUL, as std::string_view.
  byte_view(const char* text) noexcept  // NOLINT(google-explicit-constructor): write("text")
      : byte_view(text, std::char_traits<char>::length(text)) {}
  template <std::size_t N>
  byte_view(char (&buffer)[N]) noexcept  // NOLINT(google-explicit-constructor): write(buffer)
      : byte_view(buffer, detail::text_length(buffer, N)) {}
  template <class R>
    requires detail::byte_range<const R&> &&
             (!std::same_as<detail::element_of<const R&>, const char> || !std::is_array_v<R>)
  byte_view(const R& bytes) noexcept  // NOLINT(google-explicit-constructor): write(string)
      : byte_view(std::ranges::data(bytes), std::ranges::size(bytes)) {}
  byte_view(const void* data, std::size_t size) noexcept : data_(data), size_(size) {}

  [[nodiscard]] const std::byte* data() const noexcept {
    return static_cast<const std::byte*>(data_);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view text() const noexcept {
    return {static_cast<const char*>(data_), size_};
  }
  /// Without the first `count` bytes. Requires: count <= size().
  [[nodiscard]] byte_view subspan(std::size_t count) const noexcept {
    return {data() + count, size_ - count};
  }

 private:
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// What every read fills: any contiguous range of char, unsigned char or std::byte that can be
/// written to.
///
/// Refers to the memory, which must stay until the read has ended.
class byte_span {
 public:
  template <class R>
    requires detail::byte_range<R> &&
             (std::is_lvalue_reference_v<R> || std::ranges::borrowed_range<R>) &&
             (!std::is_const_v<detail::element_of<R>>) &&
             (!std::same_as<std::remove_cvref_t<R>, byte_span>)
  byte_span(R&& bytes) noexcept  // NOLINT(google-explicit-constructor): read_some(buffer)
      : byte_span(std::ranges::data(bytes), std::ranges::size(bytes)) {}
  byte_span(void* data, std::size_t size) noexcept : data_(data), size_(size) {}

  [[nodiscard]] std::byte* data() const noexcept { return static_cast<std::byte*>(data_); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Without the first `count` bytes. Requires: count <= size().
  [[nodiscard]] byte_span subspan(std::size_t count) const noexcept {
    return {data() + count, size_ - count};
  }

 private:
  void* data_;
  std::size_t size_;
};

}  // namespace weft
