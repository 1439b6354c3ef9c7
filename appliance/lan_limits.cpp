#include "appliance/lan_limits.h"

#include <net/if.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "appliance/kernel_cuts.h"
#include "appliance/rule_tables.h"

namespace isthmus::appliance {

namespace {

using stp_guard::StormClass;
using stp_guard::StormLimit;

/// No rules are written like that.
constexpr const char* kLost = "lost";
constexpr std::uint64_t kMostOfStrangers = 1'000;

std::optional<bridge::FrameLimit> in_kernel(const std::optional<StormLimit>& limit) {
    if (!limit) return std::nullopt;
    const bool bytes = limit->unit == StormLimit::Unit::bits;
    const std::uint64_t parts = bytes ? 8 : 1;
    // A rate that is not 0 stays so.
    const std::uint64_t rate = limit->rate == 0 ? 0 : std::max<std::uint64_t>(limit->rate / parts, 1);
    const auto burst = static_cast<std::uint32_t>(std::min<std::uint64_t>(limit->burst / parts, UINT32_MAX));
    return bridge::FrameLimit{rate, burst, bytes};
}

std::string passed(StormClass c) {
    return c == StormClass::address_resolution ? "resolution passed"
                                               : std::string(stp_guard::name_of(c)) + " passed";
}

void describe(std::ostream& out, const std::optional<bridge::FrameLimit>& limit) {
    if (limit) out << limit->per_second << '/' << limit->burst << (limit->bytes ? "B" : "");
    out << ' ';
}

}  // namespace

bridge::FloodLimits lan_port_limits(const stp_guard::StormLimits& limits) {
    bridge::FloodLimits out;
    out.resolution = in_kernel(limits.of(StormClass::address_resolution));
    if (out.resolution && out.resolution->per_second != 0) {
        const std::uint64_t strangers = std::min(out.resolution->per_second / 2, kMostOfStrangers);
        out.strangers = bridge::FrameLimit{strangers, static_cast<std::uint32_t>(strangers)};
        if (limits.per_source.per_second < UINT32_MAX)
            out.resolution_per_source = bridge::FrameLimit{
                limits.per_source.per_second,
                static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.per_source.burst, UINT32_MAX))};
    }
    out.broadcast = in_kernel(limits.of(StormClass::broadcast));
    out.local_multicast = in_kernel(limits.of(StormClass::local_multicast));
    out.multicast = in_kernel(limits.of(StormClass::multicast));
    return out;
}

void LanLimits::configure(const config::Configuration& configuration) {
    configuration_ = &configuration;
    if (table_.empty()) table_ = rule_table("lan_storms", configuration.gateway.name);
    apply();
}

/// Who observes wants to see the storm.
std::vector<LanLimits::Port> LanLimits::ports() const {
    std::vector<Port> out;
    const auto& guard = configuration_->guard;
    if (!guard.enabled || !guard.nftables || guard.observe) return out;
    for (const config::BridgeConfig& bridge : configuration_->bridges) {
        const bridge::BridgeReport* report = services_.bridges.bridge(bridge.options.name);
        if (report == nullptr || lan_port_limits(bridge.lan_storm) == bridge::FloodLimits{}) continue;
        for (const bridge::PortReport& port : report->ports)
            if (!port.tap && if_nametoindex(port.name.c_str()) != 0)
                out.push_back({port.name, &bridge.lan_storm});
    }
    return out;
}

void LanLimits::apply() {
    if (configuration_ == nullptr || stopped_) return;
    bridge::GuardRules rules{table_, {}};
    std::ostringstream key;
    for (const Port& port : ports()) {
        bridge::DeviceRules device;
        device.device = port.name;
        device.way = bridge::DeviceRules::Way::both;
        device.limits = lan_port_limits(*port.limits);
        const bridge::FloodLimits& limits = device.limits;
        key << port.name << ' ' << if_nametoindex(port.name.c_str()) << ' ';
        for (const auto& limit : {limits.resolution_per_source, limits.resolution, limits.strangers,
                                  limits.broadcast, limits.local_multicast, limits.multicast})
            describe(key, limit);
        rules.devices.push_back(std::move(device));
    }
    if (key.str() == applied_) return;
    if (!nft_) {
        auto opened = bridge::NftSocket::open();
        if (!opened) return note_problem(opened.error().text());
        nft_ = std::move(*opened);
    }
    const auto done = rules.devices.empty() ? nft_->remove(table_) : nft_->apply(rules);
    if (!done) return note_problem(done.error().text());
    applied_ = key.str();
    problem_.clear();
}

std::vector<std::string> LanLimits::on_rules_lost(const bridge::RuleLosses& losses) {
    if (applied_.empty() || !losses.concern(table_)) return {};
    applied_ = kLost;
    apply();
    return applied_ == kLost ? std::vector<std::string>{} : std::vector<std::string>{table_};
}

void LanLimits::stop() {
    stopped_ = true;  // events of the kernel go on for a moment, and must not bring the rules back
    if (!nft_ || applied_.empty()) return;
    if (const auto removed = nft_->remove(table_); !removed)
        services_.log->error("guard: {}", removed.error().text());
    applied_.clear();
}

std::vector<LanLimits::Count> LanLimits::counts() {
    std::vector<Count> out;
    if (!nft_ || applied_.empty()) return out;
    const auto counted = nft_->counts(table_);
    if (!counted) return out;
    std::map<std::pair<std::string_view, std::string_view>, const bridge::RuleCount*> by_rule;
    for (const bridge::RuleCount& count : *counted) by_rule[{count.device, count.what}] = &count;
    for (const Port& port : ports()) {
        for (std::size_t i = 0; i < stp_guard::kStormClassCount; ++i) {
            const auto storm_class = static_cast<StormClass>(i);
            const auto& limit = port.limits->of(storm_class);
            if (!limit || storm_class == StormClass::unknown_unicast) continue;
            Count count{port.name, storm_class, *limit, {}};
            count.limit.falling = UINT64_MAX;
            const auto add = [&](std::string_view what, bool dropped) {
                const auto found = by_rule.find({port.name, what});
                if (found == by_rule.end()) return;
                count.totals.offered += found->second->packets;
                count.totals.offered_bytes += found->second->bytes;
                if (dropped) count.totals.dropped += found->second->packets;
            };
            for (const std::string_view what : dropping_rules(storm_class)) add(what, true);
            add(passed(storm_class), false);
            out.push_back(std::move(count));
        }
    }
    return out;
}

void LanLimits::note_problem(std::string sentence) {
    if (sentence == problem_) return;
    services_.log->warn("guard: {}: storms that come in at LAN ports reach the bridge", sentence);
    problem_ = std::move(sentence);
}

}  // namespace isthmus::appliance
