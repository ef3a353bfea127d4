#pragma once

#include "error.h"

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

namespace detail {

/// What holds a T inside a tuple, a variant or a vector: void becomes monostate, a reference a
/// reference_wrapper.
template <class T>
struct value_of {
  using type = T;
};
template <>
struct value_of<void> {
  using type = std::monostate;
};
template <class T>
struct value_of<T&> {
  using type = std::reference_wrapper<T>;
};

/// The code of a std::system_error, else empty.
std::error_code error_code_of(const std::exception_ptr& error) noexcept;
bool is_cancellation(const std::exception_ptr& error) noexcept;

}  // namespace detail

template <class T>
using value_t = typename detail::value_of<T>::type;

/// A value or an exception, in the shape of std::expected. T may be void, a reference, or
/// move-only.
///
/// An I/O failure is kept as its error code and only becomes an exception when somebody asks for
/// one: no unwinding.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;

  result(value_t<T> value)
    requires(!std::is_same_v<value_t<T>, std::exception_ptr>)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  result()
    requires std::is_void_v<T>
      : state_(std::in_place_index<0>) {}
  result(std::exception_ptr error) noexcept
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)
  /// A failed operation, named with its object: "read 127.0.0.1:80".
  result(std::error_code code, std::string operation) noexcept
      : state_(std::in_place_index<2>, failure{code, std::move(operation)}) {}
  result(const result&) = default;
  result& operator=(const result&) = default;
  result(result&&) noexcept = default;
  result& operator=(result&&) noexcept = default;
  ~result() = default;

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; rethrows what the operation failed with.
  std::add_lvalue_reference_t<T> value() & {
    rethrow_failure();
    return get(state_);
  }
  std::add_lvalue_reference_t<const T> value() const& {
    rethrow_failure();
    return get(state_);
  }
  T value() && {
    rethrow_failure();
    if constexpr (!std::is_void_v<T>) return static_cast<T>(std::move(std::get<0>(state_)));
  }
  template <class U = T>
    requires(!std::is_void_v<U>)
  std::add_lvalue_reference_t<U> operator*() & {
    return get(state_);
  }
  template <class U = T>
    requires(!std::is_void_v<U>)
  std::add_lvalue_reference_t<const U> operator*() const& {
    return get(state_);
  }
  template <class U = T>
    requires(!std::is_void_v<U>)
  U operator*() && {
    return static_cast<U>(std::move(std::get<0>(state_)));
  }
  template <class U = T>
    requires(!std::is_void_v<U>)
  std::remove_reference_t<U>* operator->() {
    return std::addressof(get(state_));
  }
  template <class U = T>
    requires(!std::is_void_v<U>)
  std::add_pointer_t<const U> operator->() const {
    return std::addressof(get(state_));
  }
  template <class U>
    requires(!std::is_void_v<T>)
  T value_or(U&& other) && {
    if (has_value()) return static_cast<T>(std::move(std::get<0>(state_)));
    return static_cast<T>(std::forward<U>(other));
  }
  template <class U>
    requires(!std::is_void_v<T>)
  T value_or(U&& other) const& {
    if (has_value()) return static_cast<T>(get(state_));
    return static_cast<T>(std::forward<U>(other));
  }

  /// Null when there is a value.
  [[nodiscard]] std::exception_ptr error() const noexcept {
    if (const auto* failed = std::get_if<2>(&state_)) return failed->to_exception();
    if (const auto* error = std::get_if<1>(&state_)) return *error;
    return nullptr;
  }
  /// Of a std::system_error, else empty.
  [[nodiscard]] std::error_code error_code() const noexcept {
    if (const auto* failed = std::get_if<2>(&state_)) return failed->code;
    if (const auto* error = std::get_if<1>(&state_)) return detail::error_code_of(*error);
    return {};
  }
  /// The child was cancelled (gather(return_exceptions, …) can hold such a one).
  [[nodiscard]] bool cancelled() const noexcept {
    const auto* error = std::get_if<1>(&state_);
    return error != nullptr && detail::is_cancellation(*error);
  }

 private:
  struct failure {
    std::error_code code;
    std::string operation;
    [[nodiscard]] std::exception_ptr to_exception() const noexcept {
      return std::make_exception_ptr(std::system_error(code, operation));
    }
  };

  template <class State>
  static decltype(auto) get(State& state) noexcept {
    if constexpr (std::is_reference_v<T>) {
      return std::get<0>(state).get();
    } else if constexpr (!std::is_void_v<T>) {
      return (std::get<0>(state));
    }
  }
  void rethrow_failure() const {
    if (!has_value()) std::rethrow_exception(error());
  }

  std::variant<value_t<T>, std::exception_ptr, failure> state_;
};

}  // namespace weft
