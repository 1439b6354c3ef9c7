// Result<T, E>: a value or an error. Names follow std::expected (C++23), which GCC 12 lacks in C++20.
#pragma once

#include <cassert>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

namespace isthmus {

template <class E>
class Unexpected {
  public:
    explicit constexpr Unexpected(E error) : error_(std::move(error)) {}
    [[nodiscard]] constexpr const E& error() const& { return error_; }
    [[nodiscard]] constexpr E&& error() && { return std::move(error_); }

  private:
    E error_;
};
template <class E>
Unexpected(E) -> Unexpected<E>;

/// A T, or the E that says why there is none. Reading the side that is not there is a bug and asserts.
template <class T, class E>
class [[nodiscard]] Result {
  public:
    using value_type = T;
    using error_type = E;

    // Implicit conversions are the point: `return value;` and `return Unexpected(error);` both read as they
    // should.
    // clang-format off
    // NOLINTBEGIN(google-explicit-constructor,bugprone-forwarding-reference-overload)
    constexpr Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    template <class U>
        requires(std::is_constructible_v<T, U> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
                 !std::is_same_v<std::remove_cvref_t<U>, T>)
    constexpr explicit(!std::is_convertible_v<U, T>) Result(U&& value)
        : state_(std::in_place_index<0>, std::forward<U>(value)) {}
    template <class G>
        requires std::is_constructible_v<E, G>
    constexpr Result(Unexpected<G> error) : state_(std::in_place_index<1>, std::move(error).error()) {}
    // NOLINTEND(google-explicit-constructor,bugprone-forwarding-reference-overload)
    // clang-format on

    [[nodiscard]] constexpr bool has_value() const noexcept { return state_.index() == 0; }
    constexpr explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] constexpr T& value() & { return checked_value(); }
    [[nodiscard]] constexpr const T& value() const& { return const_cast<Result*>(this)->checked_value(); }
    [[nodiscard]] constexpr T&& value() && { return std::move(checked_value()); }
    [[nodiscard]] constexpr T& operator*() & { return checked_value(); }
    [[nodiscard]] constexpr const T& operator*() const& { return value(); }
    [[nodiscard]] constexpr T&& operator*() && { return std::move(checked_value()); }
    constexpr T* operator->() { return std::addressof(checked_value()); }
    constexpr const T* operator->() const { return std::addressof(value()); }

    [[nodiscard]] constexpr E& error() & { return checked_error(); }
    [[nodiscard]] constexpr const E& error() const& { return const_cast<Result*>(this)->checked_error(); }
    [[nodiscard]] constexpr E&& error() && { return std::move(checked_error()); }

    template <class U>
    [[nodiscard]] constexpr T value_or(U&& other) const& {
        return has_value() ? value() : static_cast<T>(std::forward<U>(other));
    }

    /// f(T) -> Result<U, E>
    template <class F>
    constexpr auto and_then(F&& f) && -> std::invoke_result_t<F, T&&> {
        if (has_value()) return std::invoke(std::forward<F>(f), std::move(*this).value());
        return Unexpected<E>(std::move(*this).error());
    }
    /// f(T) -> U
    template <class F>
    constexpr auto transform(F&& f) && -> Result<std::invoke_result_t<F, T&&>, E> {
        if (has_value()) return std::invoke(std::forward<F>(f), std::move(*this).value());
        return Unexpected<E>(std::move(*this).error());
    }
    /// f(E) -> G
    template <class F>
    constexpr auto transform_error(F&& f) && -> Result<T, std::invoke_result_t<F, E&&>> {
        if (has_value()) return std::move(*this).value();
        return Unexpected(std::invoke(std::forward<F>(f), std::move(*this).error()));
    }

  private:
    constexpr T& checked_value() {
        assert(has_value());
        return *std::get_if<0>(&state_);
    }
    constexpr E& checked_error() {
        assert(!has_value());
        return *std::get_if<1>(&state_);
    }
    std::variant<T, E> state_;
};

/// Success without a value, or the E that says what went wrong.
template <class E>
class [[nodiscard]] Result<void, E> {
  public:
    using value_type = void;
    using error_type = E;

    constexpr Result() = default;
    // clang-format off
    // NOLINTBEGIN(google-explicit-constructor)
    template <class G>
        requires std::is_constructible_v<E, G>
    constexpr Result(Unexpected<G> error) : state_(std::in_place_index<1>, std::move(error).error()) {}
    // NOLINTEND(google-explicit-constructor)
    // clang-format on

    [[nodiscard]] constexpr bool has_value() const noexcept { return state_.index() == 0; }
    constexpr explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] constexpr const E& error() const& {
        assert(!has_value());
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] constexpr E&& error() && {
        assert(!has_value());
        return std::move(*std::get_if<1>(&state_));
    }
    template <class F>
    constexpr auto and_then(F&& f) && -> std::invoke_result_t<F> {
        if (has_value()) return std::invoke(std::forward<F>(f));
        return Unexpected<E>(std::move(*this).error());
    }
    template <class F>
    constexpr auto transform_error(F&& f) && -> Result<void, std::invoke_result_t<F, E&&>> {
        if (has_value()) return {};
        return Unexpected(std::invoke(std::forward<F>(f), std::move(*this).error()));
    }

  private:
    std::variant<std::monostate, E> state_;
};

}  // namespace isthmus
