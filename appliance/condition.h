// How a part of the gateway is doing, and why.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace isthmus::appliance {

enum class RunState : std::uint8_t {
    up,
    waiting,  ///< for something that may come by itself
    blocked,  ///< could run, but must not yet
    down,     ///< somebody has to do something
};

[[nodiscard]] constexpr std::string_view name_of(RunState state) noexcept {
    constexpr std::array<std::string_view, 4> kNames{"up", "waiting", "blocked", "down"};
    return kNames[static_cast<std::size_t>(state)];
}

/// A state and, unless it is up, a phrase that says why.
struct Condition {
    RunState state = RunState::waiting;
    std::string reason;
    [[nodiscard]] bool is_up() const noexcept { return state == RunState::up; }
    friend bool operator==(const Condition&, const Condition&) = default;
};

}  // namespace isthmus::appliance
