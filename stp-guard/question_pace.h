// How often hosts are asked where they are: each some times a second at first, then once, and all of a VLAN within a limit.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/address.h"
#include "base/time.h"
#include "stp-guard/token_bucket.h"

namespace isthmus::stp_guard {

class QuestionPace {
  public:
    static constexpr std::chrono::milliseconds kAgain{200};  ///< doubles with each question, up to kSeldom
    static constexpr std::chrono::seconds kSeldom{1};
    static constexpr std::chrono::seconds kForgotten{5};
    static constexpr RateLimit kVlan{20, 40};
    static constexpr std::size_t kMostHosts = 4'096;

    /// Whether that host may be asked now; if so it counts as asked.
    [[nodiscard]] bool may_ask(std::uint16_t vid, const IpAddress& host, TimePoint now);
    /// Forgets those that nobody wanted to ask lately.
    void expire(TimePoint now);

  private:
    struct Asked {
        TimePoint at{};
        Duration wait{};
    };
    std::map<std::pair<std::uint16_t, IpAddress>, Asked> hosts_;
    std::unordered_map<std::uint16_t, TokenBucket> vlans_;
};

}  // namespace isthmus::stp_guard
