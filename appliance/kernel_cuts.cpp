#include "appliance/kernel_cuts.h"

namespace isthmus::appliance {

using stp_guard::StormClass;

std::vector<std::string_view> dropping_rules(StormClass storm_class) {
    if (storm_class == StormClass::address_resolution)
        return {"resolution", "resolution_per_source", "strangers"};
    return {stp_guard::name_of(storm_class)};
}

void KernelCuts::on_counts(const std::vector<bridge::RuleCount>& counts, TimePoint now) {
    const double seconds = std::chrono::duration<double>(now - at_).count();
    const bool first = rules_.empty() || seconds <= 0;
    std::map<std::pair<std::string, std::string>, Rule> next;
    for (const bridge::RuleCount& count : counts) {
        const auto before = rules_.find({count.device, count.what});
        const bool anew = before == rules_.end() || count.packets < before->second.packets;
        const std::uint64_t grown = count.packets - (anew ? 0 : before->second.packets);
        const auto rate = static_cast<std::uint64_t>(static_cast<double>(grown) / seconds);
        next[{count.device, count.what}] = {count.packets, first ? 0 : rate};
    }
    rules_ = std::move(next);
    at_ = now;
}

std::uint64_t KernelCuts::per_second(const std::string& device, StormClass storm_class) const {
    std::uint64_t sum = 0;
    for (const std::string_view what : dropping_rules(storm_class)) {
        const auto rule = rules_.find({device, std::string(what)});
        if (rule != rules_.end()) sum += rule->second.per_second;
    }
    return sum;
}

}  // namespace isthmus::appliance
