#include "base/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using isthmus::Result;
using isthmus::Unexpected;

namespace {
Result<int, std::string> half(int n) {
    if (n % 2 != 0) return Unexpected("odd");
    return n / 2;
}
Result<void, std::string> even(int n) {
    if (n % 2 != 0) return Unexpected("odd");
    return {};
}
}  // namespace

TEST_CASE("a result holds a value or the reason why there is none") {
    const auto good = half(8);
    REQUIRE(good);
    CHECK(*good == 4);
    CHECK(good.value_or(0) == 4);

    const auto bad = half(7);
    CHECK_FALSE(bad.has_value());
    CHECK(bad.error() == "odd");
    CHECK(bad.value_or(-1) == -1);
}

TEST_CASE("results chain until the first error") {
    CHECK(*half(8).and_then(half) == 2);
    CHECK(half(6).and_then(half).error() == "odd");
    CHECK(half(7).and_then(half).error() == "odd");
}

TEST_CASE("a result's value and error can be transformed") {
    CHECK(*half(8).transform([](int n) { return std::to_string(n); }) == "4");
    CHECK(half(7).transform([](int n) { return std::to_string(n); }).error() == "odd");
    CHECK(half(7).transform_error([](const std::string& e) { return e.size(); }).error() == 3);
    CHECK(*half(8).transform_error([](const std::string& e) { return e.size(); }) == 4);
}

TEST_CASE("a result without a value says success or why not") {
    CHECK(even(2));
    CHECK(even(3).error() == "odd");
    CHECK(even(2).and_then([] { return even(3); }).error() == "odd");
    CHECK(even(3).transform_error([](const std::string& e) { return e + "!"; }).error() == "odd!");
    CHECK(even(2).transform_error([](const std::string& e) { return e + "!"; }));
}

TEST_CASE("a result carries values that only move") {
    Result<std::unique_ptr<int>, std::string> result = std::make_unique<int>(7);
    REQUIRE(result);
    const std::unique_ptr<int> taken = std::move(result).value();
    CHECK(*taken == 7);
}

TEST_CASE("a result tells value and error apart even if both are of one type") {
    const Result<std::string, std::string> good = std::string("fine");
    const Result<std::string, std::string> bad = Unexpected(std::string("broken"));
    CHECK(*good == "fine");
    CHECK(bad.error() == "broken");
}
