#include "stp-guard/question_pace.h"

#include <algorithm>

namespace isthmus::stp_guard {

std::optional<std::uint32_t> QuestionPace::may_ask(std::uint16_t vid, const MacAddress& host, Need need,
                                                   TimePoint now) {
    const auto known = hosts_.find({vid, host});
    const bool lost = need == Need::lost;
    const Duration longest = lost ? Duration(kSeldom) : Duration(kSeldomStale);
    Asked asked{now, kAgain, 0};
    if (known != hosts_.end() && !is_forgotten(known->second, now)) {
        const Duration wait = std::min(known->second.wait, longest);
        if (now - known->second.at < wait) return std::nullopt;
        asked.wait = std::min(wait * 2, longest);
        asked.times = known->second.times + 1;
    }
    if (known == hosts_.end() && hosts_.size() >= kMostHosts) expire(now);
    if (known == hosts_.end() && hosts_.size() >= kMostHosts) return std::nullopt;
    TokenBucket& vlan = vlans_[vid];
    if (!vlan.has(kVlan, lost ? 1 : 1 + kForLost, now)) return std::nullopt;
    vlan.spend(kVlan, 1, now);
    hosts_.insert_or_assign({vid, host}, asked);
    return asked.times;
}

bool QuestionPace::may_repeat(std::uint16_t vid, TimePoint now) {
    TokenBucket& vlan = vlans_[vid];
    if (!vlan.has(kVlan, 1 + kForLost, now)) return false;
    vlan.spend(kVlan, 1, now);
    return true;
}

bool QuestionPace::is_forgotten(const Asked& asked, TimePoint now) {
    return now - asked.at >= std::max<Duration>(kForgotten, asked.wait * 2);
}

void QuestionPace::expire(TimePoint now) {
    std::erase_if(hosts_, [now](const auto& host) { return is_forgotten(host.second, now); });
    if (hosts_.empty()) vlans_.clear();
}

}  // namespace isthmus::stp_guard
