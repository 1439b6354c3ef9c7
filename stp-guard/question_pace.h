// How often hosts are asked where they are: each some times a second at first, then seldom, and all of a VLAN within a limit.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/address.h"
#include "base/time.h"
#include "stp-guard/token_bucket.h"

namespace isthmus::stp_guard {

class QuestionPace {
  public:
    enum class Need : std::uint8_t {
        lost,   ///< frames for the host do not reach it
        stale,  ///< they do, by a way that they should not take
    };
    static constexpr std::chrono::milliseconds kAgain{
        50};  ///< doubles with each question, up to the next ones
    static constexpr std::chrono::seconds kSeldom{1};
    static constexpr std::chrono::seconds kSeldomStale{32};
    static constexpr std::chrono::seconds kForgotten{5};  ///< or twice as long as it last had to wait
    /// As many as one source may ask where storms are controlled. Of those, kForLost at once are kept for who is lost.
    static constexpr RateLimit kVlan{20, 40};
    static constexpr std::uint64_t kForLost = 20;
    static constexpr std::size_t kMostHosts = 4'096;

    /// nullopt: that host may not be asked now. Else it counts as asked, and this is how often it was before.
    [[nodiscard]] std::optional<std::uint32_t> may_ask(std::uint16_t vid, const MacAddress& host, Need need,
                                                       TimePoint now);
    /// Whether a question may be said once more, which does not count as asked but within the VLAN's limit.
    [[nodiscard]] bool may_repeat(std::uint16_t vid, TimePoint now);
    /// Forgets those that nobody wanted to ask lately.
    void expire(TimePoint now);

  private:
    struct Asked {
        TimePoint at{};
        Duration wait{};
        std::uint32_t times = 0;
    };
    [[nodiscard]] static bool is_forgotten(const Asked& asked, TimePoint now);
    std::map<std::pair<std::uint16_t, MacAddress>, Asked> hosts_;
    std::unordered_map<std::uint16_t, TokenBucket> vlans_;
};

}  // namespace isthmus::stp_guard
