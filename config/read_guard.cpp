// [guard], and what of it each session has in its own way.
#include <algorithm>
#include <array>
#include <charconv>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using stp_guard::BpduPolicy;
using stp_guard::LinkLocalKind;
using stp_guard::StormClass;

constexpr std::array kBpduPolicies{
    std::pair<std::string_view, BpduPolicy>{"filter", BpduPolicy::filter},
    std::pair<std::string_view, BpduPolicy>{"guard", BpduPolicy::guard},
    std::pair<std::string_view, BpduPolicy>{"transparent", BpduPolicy::transparent}};
using Moves = std::pair<std::string_view, bool>;
constexpr std::array kMacMoves{Moves{"warn", false}, Moves{"pin", true}};
constexpr std::uint32_t kDefaultPercentOfAll = 10;
constexpr std::uint32_t kMostHosts = 100'000;
constexpr std::size_t kGuardKeySize = 32;
constexpr std::uint32_t kMostCaptured = 1'000;

std::string_view key_of(StormClass c) {
    return stp_guard::name_of(c);
}

void read_setting(const Section& section, std::string_view key, std::optional<StormSetting>& out) {
    const auto text = section.text(key);
    if (!text) return;
    auto setting = parse_storm_setting(*text);
    if (setting) {
        out = *setting;
    } else {
        section.problem(key, setting.error().first, setting.error().second);
    }
}

/// What `section` does not say stays as it is.
void read_storm(const Section& section, StormSettings& out) {
    std::optional<StormSetting> every;
    read_setting(section, "every", every);
    for (std::size_t i = 0; i < out.classes.size(); ++i) {
        if (every) out.classes[i] = every;
        read_setting(section, key_of(static_cast<StormClass>(i)), out.classes[i]);
    }
    read_setting(section, "all", out.all);
    read_setting(section, "per_source", out.per_source);
    if (out.per_source && out.per_source->unit != StormSetting::Unit::packets &&
        out.per_source->unit != StormSetting::Unit::none)
        section.problem("per_source", "limits a source's packets",
                        "write it as in per_source = \"20 pps, burst 40\"");
    for (const std::string_view key : {"address_resolution", "every"})
        if (section.text(key) == "0 pps")
            section.warning(key, "no ARP crosses: hosts of the two sites will not find each other",
                            "\"300 pps\" is the default");
}

void use_percent(const Section& section, const StormSettings& settings, const TunnelConfig* tunnel) {
    const auto is_percent = [](const std::optional<StormSetting>& s) {
        return s && s->unit == StormSetting::Unit::percent;
    };
    const bool any =
        is_percent(settings.all) || std::any_of(settings.classes.begin(), settings.classes.end(), is_percent);
    if (any && tunnel != nullptr && !tunnel->rate)
        section.problem(
            "storm",
            "a limit is a percentage of the rate of tunnel " + quoted(tunnel->name) + ", which has none",
            "write it into its [[tunnel]], as in rate = \"100 Mbit/s\"");
}

stp_guard::RateLimit per_source_of(const StormSetting& setting) {
    if (setting.unit == StormSetting::Unit::none) return {UINT32_MAX, UINT32_MAX};
    return {setting.rate, setting.burst.value_or(2 * setting.rate)};
}

stp_guard::StormLimits limits_of(const StormSettings& settings, const TunnelConfig* tunnel) {
    const std::uint64_t rate = tunnel != nullptr ? tunnel->rate.value_or(0) : 0;
    stp_guard::StormLimits out;
    for (std::size_t i = 0; i < out.classes.size(); ++i)
        if (settings.classes[i]) out.classes[i] = limit_of(*settings.classes[i], rate);
    if (settings.all) {
        out.all = limit_of(*settings.all, rate);
    } else if (rate != 0) {
        out.all = stp_guard::percent_of(rate, kDefaultPercentOfAll);
    }
    if (settings.per_source) out.per_source = per_source_of(*settings.per_source);
    return out;
}

/// What the kernel's packet filter cannot do at a LAN port is refused.
void read_lan_setting(const Section& section, std::string_view key, bool packets_only,
                      std::optional<StormSetting>& out) {
    std::optional<StormSetting> setting;
    read_setting(section, key, setting);
    if (!setting) return;
    if (setting->unit == StormSetting::Unit::percent)
        section.problem(key, "a LAN port has no rate to take a part of",
                        "write packets or bits, as in \"1000 pps\" or \"2 Mbit/s\"");
    if (packets_only && setting->unit == StormSetting::Unit::bits)
        section.problem(key, "questions for addresses are counted, not weighed",
                        "write it in packets, as in \"1000 pps\"");
    if (setting->falling)
        section.problem(
            key, "\"falling\" has no place at a LAN port, where a storm is over when nothing is dropped",
            "remove it");
    out = setting;
}

void read_lan_storm(const Section& section, StormSettings& out) {
    std::optional<StormSetting> every;
    read_lan_setting(section, "every", true, every);
    for (std::size_t i = 0; i < out.classes.size(); ++i) {
        const auto storm_class = static_cast<StormClass>(i);
        if (storm_class == StormClass::unknown_unicast) continue;
        if (every) out.classes[i] = every;
        read_lan_setting(section, key_of(storm_class), storm_class == StormClass::address_resolution,
                         out.classes[i]);
    }
    read_lan_setting(section, "per_source", true, out.per_source);
}

stp_guard::StormLimits lan_limits_of(const StormSettings& settings) {
    stp_guard::StormLimits out = stp_guard::lan_limits();
    for (std::size_t i = 0; i < out.classes.size(); ++i)
        if (settings.classes[i]) out.classes[i] = limit_of(*settings.classes[i], 0);
    if (settings.per_source) out.per_source = per_source_of(*settings.per_source);
    return out;
}

/// Pause frames are for one link, and spanning trees have a policy of their own.
bool may_be_allowed(LinkLocalKind kind) {
    return kind != LinkLocalKind::none && kind != LinkLocalKind::mac_control && !stp_guard::is_bpdu(kind);
}

void read_link_local(const Section& section, stp_guard::LinkLocalSet& out) {
    for (const auto& [word, line] : section.texts("link_local")) {
        std::vector<std::string_view> good;
        bool found = false;
        for (std::size_t i = 0; i < stp_guard::kLinkLocalKindCount; ++i) {
            const auto kind = static_cast<LinkLocalKind>(i);
            if (!may_be_allowed(kind)) continue;
            good.push_back(stp_guard::name_of(kind));
            if (good.back() != word) continue;
            out.insert(kind);
            found = true;
        }
        if (!found)
            section.problem_at(line, "link_local", quoted(word) + " is no protocol that may cross",
                               "there is " + listed(good));
    }
}

/// "10 192.0.2.1", "untagged 2001:db8::1 02:00:5e:10:00:01"
std::optional<stp_guard::Gateway> parse_gateway(std::string_view text) {
    std::vector<std::string_view> words;
    while (!text.empty()) {
        const auto blank = text.find(' ');
        if (blank != 0) words.push_back(text.substr(0, blank));
        text = blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1);
    }
    if (words.size() < 2 || words.size() > 3) return std::nullopt;
    stp_guard::Gateway out;
    if (words[0] != "untagged") {
        const auto vlan = VlanSet::parse(words[0]);
        if (!vlan || vlan->size() != 1) return std::nullopt;
        (void)std::from_chars(words[0].data(), words[0].data() + words[0].size(), out.vid);
    }
    const auto address = IpAddress::parse(words[1]);
    if (!address || address->is_unspecified()) return std::nullopt;
    out.address = *address;
    if (words.size() == 2) return out;
    out.mac = MacAddress::parse(words[2]);
    return out.mac && !out.mac->is_group() ? std::optional(out) : std::nullopt;
}

void read_dual_vlans(const Section& section, const stp_guard::AdmissionOptions& admission,
                     stp_guard::GatewayOptions& out) {
    const auto text = section.text("dual_gateway");
    if (!text) return;
    if (*text == "all") {
        out.dual = admission.any_vlan ? VlanSet::all() : admission.vlans;
        out.dual_untagged = admission.any_vlan || admission.untagged;
        return;
    }
    const auto vlans = VlanSet::parse(*text);
    if (!vlans) {
        section.problem("dual_gateway", without_secrets(vlans.error()), "or write dual_gateway = \"all\"");
        return;
    }
    out.dual = *vlans;
    const VlanSet others = admission.any_vlan ? VlanSet() : vlans->without(admission.vlans);
    if (!others.empty())
        section.problem("dual_gateway", "the session does not carry VLAN " + others.text(),
                        "name VLANs that it carries, or \"all\"");
}

stp_guard::GatewayOptions read_gateways(const Section& section,
                                        const stp_guard::AdmissionOptions& admission) {
    stp_guard::GatewayOptions out;
    read_dual_vlans(section, admission, out);
    for (const auto& [text, line] : section.texts("gateways")) {
        if (const auto gateway = parse_gateway(text)) {
            out.gateways.push_back(*gateway);
        } else {
            section.problem_at(
                line, "gateways", quoted(text) + " is no VLAN and address",
                "write them as in \"10 192.0.2.1\", \"10 192.0.2.1 02:00:5e:10:00:01\" or \"untagged "
                "2001:db8::1\"");
        }
    }
    out.keep_dhcp_servers = section.boolean("keep_dhcp").value_or(false);
    if (out.dual.empty() && !out.dual_untagged)
        for (const std::string_view key : {"gateways", "keep_dhcp"})
            if (section.has(key))
                section.warning(key, "has no effect without dual_gateway", "write dual_gateway = \"all\"");
    return out;
}

void check_bpdus(const Section& section, const SessionConfig& session, const GuardConfig& guard) {
    const bool probes = guard.enabled && session.guard.probes;
    const BpduPolicy policy = session.admission.bpdus;
    if (policy != BpduPolicy::transparent && !probes)
        section.problem("bpdu",
                        "spanning tree does not see a second path between the sites, and with " +
                            std::string(!guard.enabled  ? "guard.enabled = false"
                                        : !guard.probes ? "guard.probes = false"
                                                        : "probes = false") +
                            " nothing does",
                        "leave probes on, or write bpdu = \"transparent\"");
    if (policy == BpduPolicy::transparent)
        section.warning(
            "bpdu", "both sites become one spanning tree over the WAN: a change in one is felt in the other",
            "\"filter\" is the default");
    if (session.guard.root_guard && policy != BpduPolicy::transparent)
        section.problem("root_guard", "no BPDU crosses, so none could take the root's place",
                        "remove it, or write bpdu = \"transparent\"");
    if ((!guard.enabled || !session.guard.probes) && session.transit)
        section.problem(
            "transit",
            "sessions that pass frames on to each other may form a circle, and without loop probes "
            "nothing would see it",
            "leave guard.enabled and probes on, or use split_horizon");
    if (session.transit && session.split_horizon)
        section.problem("transit", "split_horizon says the opposite", "remove one of the two");
    if (!guard.enabled && session.redundancy)
        section.problem("redundancy",
                        "two ways of one VLAN to one place are a loop, and with guard.enabled = false "
                        "nothing would break it",
                        "leave the guard on, or remove one of the sessions");
}

}  // namespace

GuardConfig read_guard(const Section* section, const GatewayConfig& gateway, const Environment& environment) {
    GuardConfig guard;
    guard.site = guard.node = gateway.name;
    if (section == nullptr) return guard;
    guard.enabled = section->boolean("enabled").value_or(true);
    guard.observe = section->boolean("observe").value_or(false);
    guard.domain = section->integer("domain", 1, UINT32_MAX).value_or(guard.domain);
    guard.site = read_label(*section, "site").value_or(guard.site);
    guard.node = read_label(*section, "node").value_or(guard.node);
    if (section->has("key_file"))
        guard.key = read_key_file(*section, {"loop probes", kGuardKeySize}, environment);
    guard.probes = section->boolean("probes").value_or(true);
    guard.open_at_once = section->boolean("open_at_once").value_or(false);
    guard.probes_per_second =
        section->integer("probes_per_second", 10, 10'000).value_or(guard.probes_per_second);
    guard.pin_duplicates = section->choice<bool>("mac_moves", kMacMoves).value_or(false);
    guard.suspend_storms = section->boolean("suspend_storms").value_or(false);
    guard.nftables = section->boolean("nftables").value_or(true);
    guard.capture = section->integer("capture", 0, kMostCaptured).value_or(guard.capture);
    if (const auto storm = section->table("storm")) read_storm(*storm, guard.storm);
    if (const auto storm = section->table("lan_storm")) read_lan_storm(*storm, guard.lan_storm);
    if (!guard.enabled)
        section->warning("enabled", "a second path between the sites would stop both networks",
                         "remove the line: the guard is on by default");
    return guard;
}

void read_bridge_guard(const Section& section, const GuardConfig& guard, BridgeConfig& bridge) {
    StormSettings storm = guard.lan_storm;
    if (const auto own = section.table("lan_storm")) read_lan_storm(*own, storm);
    bridge.lan_storm = lan_limits_of(storm);
}

void read_session_guard(const Section& section, const GuardConfig& guard, const TunnelConfig* tunnel,
                        SessionConfig& session) {
    StormSettings storm = guard.storm;
    if (const auto own = section.table("storm")) read_storm(*own, storm);
    use_percent(section, storm, tunnel);
    stp_guard::AdmissionOptions& admission = session.admission;
    admission.storm = limits_of(storm, tunnel);
    admission.bpdus = section.choice<BpduPolicy>("bpdu", kBpduPolicies).value_or(BpduPolicy::filter);
    read_link_local(section, admission.link_local);
    admission.macs.per_vlan = section.integer("mac_limit", 0, kMostHosts).value_or(admission.macs.per_vlan);
    admission.macs.per_session =
        section.integer("mac_limit_session", 0, kMostHosts).value_or(admission.macs.per_session);
    admission.topology_changes_per_minute =
        section.integer("topology_changes", 0, 1'000).value_or(admission.topology_changes_per_minute);
    admission.observe = section.boolean("observe").value_or(guard.observe);
    session.guard.probes = section.boolean("probes").value_or(guard.probes);
    session.guard.root_guard = section.boolean("root_guard").value_or(false);
    session.guard.gateways = read_gateways(section, admission);
    check_bpdus(section, session, guard);
    if (guard.enabled) return;
    for (auto& limit : admission.storm.classes) limit.reset();
    admission.storm.all.reset();
    admission.storm.per_source = {UINT32_MAX, UINT32_MAX};
    admission.macs = {0, 0};
    session.guard.gateways = {};
}

}  // namespace isthmus::config
