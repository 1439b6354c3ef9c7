#include "appliance/storm_control.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "appliance/clock.h"
#include "appliance/rule_tables.h"
#include "appliance/text_table.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;
using stp_guard::Direction;
using stp_guard::StormClass;
using stp_guard::StormLevel;
using stp_guard::StormLimit;

constexpr std::chrono::seconds kPeriod{1};
constexpr std::size_t kMostEvents = 200;
constexpr std::size_t kMostShown = 200;
constexpr std::size_t kLongestSummary = 200;
constexpr std::uint64_t kResolutionInKernel = 5'000;
constexpr std::uint64_t kLeastInKernel = 1'000;
/// The workers say who of them passes.
constexpr bridge::FrameLimit kStrangersInKernel{4'000, 4'000};

/// No rules are written like that.
constexpr const char* kLost = "lost";

/// Sessions have their index.
constexpr std::uint32_t kFirstLanPort = 0x8000'0000;

stp_guard::PortId port_of(const SessionControl& session) {
    return stp_guard::PortId{raw(session.index())};
}

std::string vlan_text(std::uint16_t vid) {
    return vid == 0 ? "untagged frames" : "VLAN " + std::to_string(vid);
}

std::string words_of(StormClass c) {
    switch (c) {
        case StormClass::address_resolution: return "ARP and neighbour discovery";
        case StormClass::broadcast: return "broadcast";
        case StormClass::local_multicast: return "link-local multicast";
        case StormClass::multicast: return "multicast";
        case StormClass::unknown_unicast: return "unknown unicast";
    }
    return "";
}

std::string rate_text(std::uint64_t rate, StormLimit::Unit unit) {
    return std::to_string(rate) + (unit == StormLimit::Unit::packets ? " pps" : " bit/s");
}

std::string id_of(StormLevel level) {
    switch (level) {
        case StormLevel::ok: return "storm_over";
        case StormLevel::suppressing: return "storm_suppressing";
        case StormLevel::storm: return "storm";
        case StormLevel::suspended: return "storm_suspended";
    }
    return "";
}

json talkers_json(const stp_guard::TopTalkers& talkers) {
    json out = json::array();
    for (const stp_guard::Talker& talker : talkers.ranking())
        out.push_back({{"mac", talker.source.text()},
                       {"vlan", talker.vid},
                       {"class", stp_guard::name_of(talker.storm_class)},
                       {"dropped", talker.frames}});
    return out;
}

std::optional<bridge::FrameLimit> at_least_in_kernel(const std::optional<StormLimit>& limit) {
    if (!limit || limit->unit != StormLimit::Unit::packets || limit->rate == 0) return std::nullopt;
    const std::uint64_t rate = std::max(limit->rate * 2, kLeastInKernel);
    return bridge::FrameLimit{
        rate, static_cast<std::uint32_t>(std::clamp<std::uint64_t>(limit->burst, rate, UINT32_MAX))};
}

}  // namespace

bridge::FloodLimits kernel_limits(const stp_guard::StormLimits& limits) {
    bridge::FloodLimits out;
    if (limits.of(StormClass::address_resolution)) {
        const auto& source = limits.per_source;
        if (source.per_second < kResolutionInKernel)
            out.resolution_per_source =
                bridge::FrameLimit{source.per_second * 2, static_cast<std::uint32_t>(source.burst * 2)};
        const std::uint64_t rate =
            std::max(kResolutionInKernel, limits.of(StormClass::address_resolution)->rate * 2);
        out.resolution =
            bridge::FrameLimit{rate, static_cast<std::uint32_t>(std::min<std::uint64_t>(rate, UINT32_MAX))};
        out.strangers = kStrangersInKernel;
    }
    out.broadcast = at_least_in_kernel(limits.of(StormClass::broadcast));
    out.local_multicast = at_least_in_kernel(limits.of(StormClass::local_multicast));
    out.multicast = at_least_in_kernel(limits.of(StormClass::multicast));
    return out;
}

StormControl::StormControl(ControlServices& services, const stp_guard::FrameRing& to_tunnel,
                           const stp_guard::FrameRing& from_tunnel)
    : services_(services),
      captures_(services.io, services.log, services.state_dir / "captures", to_tunnel, from_tunnel),
      lan_(services),
      sample_(services.io, [this](TimePoint now) { sample(now); }) {}

void StormControl::configure(const config::Configuration& configuration) {
    suspends_ = configuration.guard.suspend_storms;
    watch_.set_options({suspends_});
    captures_.keep(configuration.guard.capture);
    for (const SessionIndex session : std::exchange(known_, {}))
        if (services_.sessions.find(session) == nullptr) watch_.forget(stp_guard::PortId{raw(session)});
    for (const SessionControl& session : services_.sessions) known_.push_back(session.index());
    sample_.arm(boot_now() + kPeriod);
    if (table_.empty()) table_ = rule_table("storms", configuration.gateway.name);
    in_kernel_ = configuration.guard.enabled && configuration.guard.nftables;
    apply_rules();
    lan_.configure(configuration);
}

void StormControl::on_kernel_change() {
    apply_rules();
    lan_.apply();
}

void StormControl::stop() {
    stopping_ = true;  // events of the kernel go on for a moment, and must not bring the rules back
    sample_.arm(std::nullopt);
    captures_.finish();
    lan_.stop();
    if (!nft_ || applied_.empty()) return;
    if (const auto removed = nft_->remove(table_); !removed)
        services_.log->error("guard: {}", removed.error().text());
    applied_.clear();
}

bridge::GuardRules StormControl::wanted_rules() const {
    bridge::GuardRules rules;
    rules.table = table_;
    for (const SessionControl& session : services_.sessions) {
        // Who observes wants to see the storm.
        if (!session.tap() || session.tap_is_gone() || session.config().admission.observe) continue;
        bridge::DeviceRules device;
        device.device = session.config().interface;
        device.limits = kernel_limits(session.config().admission.storm);
        if (device.limits != bridge::FloodLimits{}) rules.devices.push_back(std::move(device));
    }
    return rules;
}

void StormControl::apply_rules() {
    if (stopping_) return;
    const bridge::GuardRules rules = in_kernel_ ? wanted_rules() : bridge::GuardRules{table_, {}};
    std::string key;
    for (const SessionControl& session : services_.sessions)
        if (session.tap()) key += std::to_string(raw(session.tap()->index())) + ' ';
    for (const auto& device : rules.devices) {
        key += device.device;
        for (const auto& limit :
             {device.limits.resolution_per_source, device.limits.resolution, device.limits.strangers,
              device.limits.broadcast, device.limits.local_multicast, device.limits.multicast})
            key += ' ' + std::to_string(limit ? limit->per_second : 0) + '/' +
                   std::to_string(limit ? limit->burst : 0);
    }
    if (rules.devices.empty()) key.clear();
    if (key == applied_) return;
    if (!nft_) {
        auto opened = bridge::NftSocket::open();
        if (opened) nft_ = std::move(*opened);
        if (!opened) return note_problem(opened.error().text());
    }
    const auto done = rules.devices.empty() ? nft_->remove(table_) : nft_->apply(rules);
    if (!done) return note_problem(done.error().text());
    applied_ = std::move(key);
    nft_problem_.clear();
}

std::vector<std::string> StormControl::on_rules_lost(const bridge::RuleLosses& losses) {
    std::vector<std::string> back = lan_.on_rules_lost(losses);
    if (stopping_ || applied_.empty() || !losses.concern(table_)) return back;
    applied_ = kLost;
    apply_rules();
    if (applied_ != kLost) back.push_back(table_);
    return back;
}

void StormControl::note_problem(std::string sentence) {
    if (sentence == nft_problem_) return;
    services_.log->warn("guard: {}: a storm may fill the queues of the sessions' interfaces", sentence);
    nft_problem_ = std::move(sentence);
}

void StormControl::on_evidence(SessionIndex session, std::uint16_t vid) {
    watch_.on_evidence({stp_guard::PortId{raw(session)}, vid}, boot_now());
}

void StormControl::expect_flood(SessionIndex session, std::uint16_t vid, TimePoint until) {
    watch_.expect_flood({stp_guard::PortId{raw(session)}, vid}, until);
}

void StormControl::sample(TimePoint now) {
    sample_lan(now);
    if (suspends_) note_cuts(now);
    for (SessionControl& session : services_.sessions) sample_session(session, now);
    while (const auto event = watch_.poll_event()) on_event(*event, now);
    sample_.arm(now + kPeriod);
}

void StormControl::sample_session(SessionControl& session, TimePoint now) {
    const stp_guard::StormLimits& limits = session.config().admission.storm;
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        const stp_guard::StormMeters& meters = session.meters->of(direction);
        const auto active = meters.active();
        for (std::size_t vid = 0; vid < active.size(); ++vid) {
            if (!active.test(vid)) continue;
            for (std::size_t c = 0; c < stp_guard::kStormClassCount; ++c) {
                const auto storm_class = static_cast<StormClass>(c);
                const auto& limit = limits.of(storm_class);
                if (!limit) continue;
                const auto place = static_cast<std::uint16_t>(vid);
                watch_.on_sample({port_of(session), direction, place, storm_class}, *limit,
                                 meters.totals(place, storm_class), now);
            }
        }
    }
}

void StormControl::sample_lan(TimePoint now) {
    for (const LanLimits::Count& count : lan_.counts()) {
        auto at = std::find(lan_ports_.begin(), lan_ports_.end(), count.port);
        if (at == lan_ports_.end()) at = lan_ports_.insert(lan_ports_.end(), count.port);
        const auto number = static_cast<std::uint32_t>(at - lan_ports_.begin());
        watch_.on_sample(
            {stp_guard::PortId{kFirstLanPort + number}, Direction::to_tunnel, 0, count.storm_class},
            count.limit, count.totals, now);
    }
}

void StormControl::note_cuts(TimePoint now) {
    if (nft_ && !applied_.empty())
        if (const auto counts = nft_->counts(table_)) cuts_.on_counts(*counts, now);
    for (const SessionControl& session : services_.sessions) {
        const bridge::BridgeReport* bridge = services_.bridges.bridge(session.bridge());
        for (std::size_t c = 0; c < stp_guard::kStormClassCount; ++c) {
            const auto storm_class = static_cast<StormClass>(c);
            std::uint64_t cut = cuts_.per_second(session.config().interface, storm_class);
            for (const auto& [key, state] : watch_.states()) {
                const std::string* name = key.storm_class == storm_class ? lan_port_of(key.port) : nullptr;
                const bool ours =
                    name != nullptr && bridge != nullptr &&
                    std::any_of(bridge->ports.begin(), bridge->ports.end(),
                                [&](const bridge::PortReport& port) { return port.name == *name; });
                if (ours) cut += state.dropped_per_second;
            }
            watch_.set_cut_before(port_of(session), storm_class, cut);
        }
    }
}

const std::string* StormControl::lan_port_of(stp_guard::PortId id) const {
    if (raw(id) < kFirstLanPort || raw(id) - kFirstLanPort >= lan_ports_.size()) return nullptr;
    return &lan_ports_[raw(id) - kFirstLanPort];
}

void StormControl::on_event(const stp_guard::StormEvent& event, TimePoint now) {
    if (const std::string* port = lan_port_of(event.key.port)) return on_lan_event(event, *port, now);
    const SessionIndex index{raw(event.key.port)};
    const SessionControl* session = services_.sessions.find(index);
    if (session == nullptr) return;
    tell({wall_now(),
          id_of(event.now.level),
          session->config().name,
          {},
          event.key.vid,
          sentence_of(event, *session),
          {},
          std::string(stp_guard::name_of(event.key.storm_class)),
          event.key.direction == Direction::to_tunnel ? "out" : "in"},
         event.now, now);
    if (on_heavy_storm_ && event.now.level == StormLevel::suspended) on_heavy_storm_(index, event.key.vid);
    const bool serious = event.now.level >= StormLevel::storm;
    const bool was = event.before >= StormLevel::storm;
    if (was == serious) return;
    // One class may be over while another goes on.
    const bool active = watch_.level({event.key.port, event.key.vid}) >= StormLevel::storm;
    if (on_storm_ && active == serious) on_storm_(index, event.key.vid, active);
}

void StormControl::on_lan_event(const stp_guard::StormEvent& event, const std::string& port, TimePoint now) {
    const stp_guard::StormState& state = event.now;
    std::string sentence = "LAN port " + port + ": " + words_of(event.key.storm_class) + " that comes in is ";
    const std::string offered = rate_text(state.offered_per_second, state.limit.unit);
    if (state.level == StormLevel::ok) {
        sentence += "back to " + offered + ", of which nothing is dropped";
    } else {
        sentence += "cut from " + offered + ", to " + rate_text(state.limit.rate, state.limit.unit) +
                    " in each VLAN; it ends by itself 10 s after nothing more is dropped";
    }
    tell({wall_now(),
          id_of(state.level),
          {},
          port,
          0,
          std::move(sentence),
          {},
          std::string(stp_guard::name_of(event.key.storm_class)),
          {}},
         state, now);
}

void StormControl::tell(Event event, const stp_guard::StormState& state, TimePoint now) {
    const bool serious = state.level >= StormLevel::storm;
    if (serious) event.capture = captures_.take("storm", now);
    services_.log->log(serious ? spdlog::level::warn : spdlog::level::info, "guard: {}: {}", event.id,
                       event.sentence);
    events_.push_back(std::move(event));
    if (events_.size() > kMostEvents) events_.pop_front();
}

std::string StormControl::sentence_of(const stp_guard::StormEvent& event,
                                      const SessionControl& session) const {
    const stp_guard::StormState& state = event.now;
    const std::string where = vlan_text(event.key.vid) + " of session " + session.config().name + ": " +
                              words_of(event.key.storm_class) + " " +
                              std::string(name_of(event.key.direction));
    const std::string offered = rate_text(state.offered_per_second, state.limit.unit);
    const std::string limit = rate_text(state.limit.rate, state.limit.unit);
    if (state.level == StormLevel::ok)
        return where + " is back to " + offered + ", below " +
               rate_text(state.limit.falling, state.limit.unit);
    std::string out = where + (session.config().admission.observe ? " is " : " is cut from ") + offered +
                      (session.config().admission.observe ? ", over its limit of " : " to ") + limit;
    const auto talkers = session.meters->of(event.key.direction).talkers().ranking();
    const auto worst = std::find_if(talkers.begin(), talkers.end(), [&](const stp_guard::Talker& t) {
        return t.vid == event.key.vid && t.storm_class == event.key.storm_class;
    });
    if (worst != talkers.end()) out += ", most of it from " + worst->source.text();
    return out + "; it ends by itself 10 s after it falls below " +
           rate_text(state.limit.falling, state.limit.unit);
}

json StormControl::session_status(const SessionControl& session) const {
    json classes = json::array();
    for (const auto& [key, state] : watch_.states()) {
        if (key.port != port_of(session) || classes.size() >= kMostShown) continue;
        const bool packets = state.limit.unit == StormLimit::Unit::packets;
        classes.push_back({{"vlan", key.vid},
                           {"direction", key.direction == Direction::to_tunnel ? "out" : "in"},
                           {"class", stp_guard::name_of(key.storm_class)},
                           {"level", stp_guard::name_of(state.level)},
                           {packets ? "offered_pps" : "offered_bps", state.offered_per_second},
                           {"passed_pps", state.passed_per_second},
                           {"dropped_pps", state.dropped_per_second},
                           {packets ? "limit_pps" : "limit_bps", state.limit.rate},
                           {packets ? "falling_pps" : "falling_bps", state.limit.falling}});
    }
    return {{"session", session.config().name},
            {"observe", session.config().admission.observe},
            {"classes", std::move(classes)},
            {"talkers_out", talkers_json(session.meters->to_tunnel.talkers())},
            {"talkers_in", talkers_json(session.meters->from_tunnel.talkers())}};
}

json StormControl::lan_status() const {
    json out = json::array();
    for (const auto& [key, state] : watch_.states()) {
        const std::string* port = lan_port_of(key.port);
        if (port == nullptr || out.size() >= kMostShown) continue;
        const bool packets = state.limit.unit == StormLimit::Unit::packets;
        out.push_back({{"port", *port},
                       {"class", stp_guard::name_of(key.storm_class)},
                       {"level", stp_guard::name_of(state.level)},
                       {packets ? "offered_pps" : "offered_bps", state.offered_per_second},
                       {"passed_pps", state.passed_per_second},
                       {"dropped_pps", state.dropped_per_second},
                       {packets ? "limit_pps_per_vlan" : "limit_bps_per_vlan", state.limit.rate}});
    }
    return out;
}

std::string StormControl::summary() const {
    std::string out;
    for (const auto& [key, state] : watch_.states()) {
        if (state.level < StormLevel::storm) continue;
        const std::string* port = lan_port_of(key.port);
        const SessionControl* session =
            port == nullptr ? services_.sessions.find(SessionIndex{raw(key.port)}) : nullptr;
        if (port == nullptr && session == nullptr) continue;
        out += (out.empty() ? "" : "; ") + words_of(key.storm_class) +
               (port != nullptr ? " at LAN port " + *port
                                : " in " + vlan_text(key.vid) + " of session " + session->config().name);
        if (out.size() > kLongestSummary) return out + "; and more";
    }
    return out;
}

json StormControl::status() const {
    json sessions = json::array();
    for (const SessionControl& session : services_.sessions) sessions.push_back(session_status(session));
    json events = json::array();
    for (const Event& event : events_) {
        json one{{"at", utc_text(event.at)},   {"id", event.id},
                 {"vlan", event.vid},          {"class", event.storm_class},
                 {"sentence", event.sentence}, {"capture", event.capture}};
        if (!event.direction.empty()) one["direction"] = event.direction;
        one[event.port.empty() ? "session" : "port"] = event.port.empty() ? event.session : event.port;
        events.push_back(std::move(one));
    }
    json out{{"sessions", std::move(sessions)}, {"ports", lan_status()}, {"events", std::move(events)}};
    if (!lan_.problem().empty()) out["ports_problem"] = lan_.problem();
    if (const std::string going_on = summary(); !going_on.empty()) out["summary"] = going_on;
    return out;
}

}  // namespace isthmus::appliance
