#include "stp-guard/question_pace.h"

#include <algorithm>

namespace isthmus::stp_guard {

bool QuestionPace::may_ask(std::uint16_t vid, const IpAddress& host, TimePoint now) {
    const auto known = hosts_.find({vid, host});
    const bool asked = known != hosts_.end() && now - known->second.at < kForgotten;
    if (asked && now - known->second.at < known->second.wait) return false;
    if (known == hosts_.end() && hosts_.size() >= kMostHosts) expire(now);
    if (known == hosts_.end() && hosts_.size() >= kMostHosts) return false;
    if (!vlans_[vid].take(kVlan, 1, now)) return false;
    const Duration wait = asked ? std::min<Duration>(known->second.wait * 2, kSeldom) : Duration(kAgain);
    hosts_.insert_or_assign({vid, host}, Asked{now, wait});
    return true;
}

void QuestionPace::expire(TimePoint now) {
    std::erase_if(hosts_, [now](const auto& host) { return now - host.second.at >= kForgotten; });
    if (hosts_.empty()) vlans_.clear();
}

}  // namespace isthmus::stp_guard
