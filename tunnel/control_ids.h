// Control Connection IDs and Session IDs: random, never 0, not among those in use nor among those used lately
// (RFC 3931 sections 4.1 and 5.4.3). Random ones are also not those of the process before this one.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_set>

#include "base/rng.h"

namespace isthmus::tunnel {

class IdPool {
  public:
    /// Ids that were given back stay unused until this many others were.
    static constexpr std::size_t kRemembered = 4096;

    explicit IdPool(Rng& rng) : rng_(rng) {}

    [[nodiscard]] std::uint32_t take() {
        for (;;) {
            const std::uint32_t id = rng_.u32();
            if (id != 0 && taken_.insert(id).second) return id;
        }
    }
    /// An id that somebody else holds: never given out.
    void reserve(std::uint32_t id) { taken_.insert(id); }
    void give_back(std::uint32_t id) {
        if (!taken_.contains(id)) return;
        lately_.push_back(id);
        if (lately_.size() <= kRemembered) return;
        taken_.erase(lately_.front());
        lately_.pop_front();
    }
    [[nodiscard]] bool is_taken(std::uint32_t id) const { return taken_.contains(id); }
    /// In use, reserved or remembered.
    [[nodiscard]] std::size_t size() const noexcept { return taken_.size(); }

  private:
    Rng& rng_;
    std::unordered_set<std::uint32_t> taken_;
    std::deque<std::uint32_t> lately_;
};

}  // namespace isthmus::tunnel
