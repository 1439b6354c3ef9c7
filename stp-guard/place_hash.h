// Places as keys of hash tables.
#pragma once

#include <cstddef>
#include <functional>

#include "stp-guard/guard_ids.h"

template <>
struct std::hash<isthmus::stp_guard::Place> {
    std::size_t operator()(const isthmus::stp_guard::Place& place) const noexcept {
        const auto joined = std::uint64_t{isthmus::raw(place.port)} << 16 | place.vid;
        return static_cast<std::size_t>((joined ^ (joined >> 29)) * 0x9e3779b97f4a7c15);
    }
};
