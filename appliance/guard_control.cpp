#include "appliance/guard_control.h"

#include <net/if.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "appliance/rule_tables.h"
#include "crypto/digest.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;
using stp_guard::GuardCommand;

/// Sessions come up and VLANs begin to carry something without telling us.
constexpr std::chrono::milliseconds kLookAgain{200};
/// Far less than HostTable::kAgeing.
constexpr std::chrono::seconds kAskForHosts{60};
constexpr std::chrono::seconds kAskAfterLoss{2};
constexpr std::chrono::milliseconds kBreath{250};
constexpr std::size_t kKeySize = 32;

std::uint64_t number_of(const std::string& label) {
    const auto hash = crypto::digest(crypto::Hash::sha256,
                                     {reinterpret_cast<const std::uint8_t*>(label.data()), label.size()});
    return load_be64(hash.data());
}

}  // namespace

GuardControl::GuardControl(ControlServices& services, StormControl& storms)
    : services_(services), storms_(storms), hosts_(services.io) {
    std::array<std::uint8_t, kKeySize> random{};
    services_.rng.fill(random);
    own_key_ = crypto::SecretBytes(Bytes(random));
    own_domain_ = services_.rng.u32();
    listen();
    services_.commands.on(
        "guard", "loops, storms, blocks and why; with what = clear, hold, observe or enforce: orders",
        [this](const json& request) { return on_request(request); });
    look_again_ = std::make_unique<Deadline>(services_.io, [this](TimePoint) { look(); });
    hosts_again_ = std::make_unique<Deadline>(services_.io, [this](TimePoint) { wait_for_hosts(); });
}

/// What LAN ports give to a tunnel was seen at those ports already, but for gateways' frames: no filter of a few lines knows them all.
void GuardControl::listen() {
    services_.punts.on(
        PuntClass::probe, [this](const PuntMessage& message, PuntOrigin origin, TimePoint now) {
            BridgeGuard* guard = origin == PuntOrigin::wan ? guard_of(message.session) : nullptr;
            if (guard != nullptr) guard->on_punted(message.session, message.data(), now);
        });
    services_.punts.on(PuntClass::bpdu, [this](const PuntMessage& message, PuntOrigin origin, TimePoint now) {
        BridgeGuard* guard = origin == PuntOrigin::wan ? guard_of(message.session) : nullptr;
        if (guard != nullptr) guard->on_tunnel_bpdu(message.session, message.data(), now);
    });
    services_.punts.on(PuntClass::arp, [this](const PuntMessage& message, PuntOrigin origin, TimePoint now) {
        BridgeGuard* guard = guard_of(message.session);
        if (guard != nullptr)
            guard->on_gateway_frame(message.session, origin == PuntOrigin::wan, message.data(), now);
    });
    services_.punts.on(PuntClass::circling, [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
        BridgeGuard* guard = guard_of(message.session);
        if (guard != nullptr) guard->on_circling_frame(message.session, message.data(), now);
    });
    services_.punts.on(PuntClass::stray_unicast,
                       [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
                           BridgeGuard* guard = guard_of(message.session);
                           if (guard != nullptr)
                               guard->on_stray_unicast(message.session, message.data(), now);
                       });
}

BridgeGuard* GuardControl::guard_of(SessionIndex index) {
    const SessionControl* session = services_.sessions.find(index);
    const auto guard = session == nullptr ? guards_.end() : guards_.find(session->bridge());
    return guard == guards_.end() ? nullptr : guard->second.get();
}

GuardControl::~GuardControl() {
    if (hosts_.is_open()) hosts_.release();
}

void GuardControl::configure(const config::Configuration& configuration) {
    configuration_ = &configuration;
    std::map<std::string, std::unique_ptr<BridgeGuard>> before = std::exchange(guards_, {});
    const config::GuardConfig& guard = configuration.guard;
    const Bytes key = guard.key.empty() ? own_key_.reveal() : guard.key.reveal();
    for (const auto& bridge : configuration.bridges) {
        const bool guarded = services_.sessions.find_if([&](const SessionControl& s) {
            return s.bridge() == bridge.options.name && s.config().guard.probes;
        }) != nullptr;
        if (!guard.enabled || !guarded) continue;
        GuardSetup setup = setup_of(configuration, bridge.options.name);
        const auto old = before.find(bridge.options.name);
        if (old != before.end() && old->second->is_still(setup, key)) {
            guards_.insert(before.extract(old));
            continue;
        }
        if (old != before.end()) old->second->save(boot_now());
        const std::string name = setup.bridge;
        before.erase(name);
        guards_[name] = std::make_unique<BridgeGuard>(
            services_, std::move(setup), key,
            GuardHelp{[this] { apply_rules(); },
                      [this](SessionIndex session, std::uint16_t vid) { storms_.on_evidence(session, vid); },
                      [this](SessionIndex session, std::uint16_t vid, TimePoint until) {
                          storms_.expect_flood(session, vid, until);
                      },
                      storms_.captures()});
        ask_again_ = {};
    }
    for (auto& [name, gone] : before) gone->save(boot_now());
    for (SessionControl& session : services_.sessions)
        if (!guards_.contains(session.bridge()) || !session.config().guard.probes) session.set_guard({});
    if (!guards_.empty() && guard.key.empty())
        services_.log->info(
            "guard: without guard.key_file no other gateway is believed, and each decides for itself");
    if (table_.empty()) table_ = rule_table("guard", configuration.gateway.name);
    open_monitor();
    look();
}

GuardSetup GuardControl::setup_of(const config::Configuration& configuration,
                                  const std::string& bridge) const {
    const config::GuardConfig& guard = configuration.guard;
    GuardSetup setup;
    setup.bridge = bridge;
    // Without a shared key nobody could tell our frames from another's by their seal: let their domain be another at once.
    setup.identity.domain = stp_guard::DomainId{guard.key.empty() ? own_domain_ : guard.domain};
    setup.identity.site = stp_guard::SiteId{number_of(guard.site)};
    setup.identity.node = stp_guard::NodeId{number_of(guard.node + "/" + bridge)};
    setup.options.observe = guard.observe;
    setup.options.opening.checked = !guard.open_at_once;
    setup.options.probes.per_second = guard.probes_per_second;
    setup.options.mac_moves.pin = guard.pin_duplicates;
    for (const SessionControl& session : services_.sessions) {
        if (session.bridge() != bridge) continue;
        const auto policy = session.config().admission.bpdus;
        setup.bpdus.guard_tunnel |= policy == stp_guard::BpduPolicy::guard;
        setup.bpdus.transparent |= policy == stp_guard::BpduPolicy::transparent;
        setup.bpdus.root_guard |= session.config().guard.root_guard;
    }
    return setup;
}

void GuardControl::on_storm(SessionIndex index, std::uint16_t vid, bool active) {
    if (BridgeGuard* guard = guard_of(index)) guard->on_storm(index, vid, active, boot_now());
}

void GuardControl::on_heavy_storm(SessionIndex index, std::uint16_t vid) {
    if (BridgeGuard* guard = guard_of(index)) guard->on_heavy_storm(index, vid, boot_now());
}

/// Whatever happened to a link or to the rules, they are there again afterwards.
void GuardControl::on_kernel_change() {
    kernel_seen_ = true;
    if (applied_ && !applied_->empty()) applied_.reset();
    look();
}

void GuardControl::look() {
    const TimePoint now = boot_now();
    std::map<std::string, std::vector<SessionControl*>> sessions;
    for (SessionControl& session : services_.sessions)
        if (session.config().guard.probes) sessions[session.bridge()].push_back(&session);
    for (auto& [bridge, guard] : guards_) {
        guard->set_hosts_known(monitor_.has_value());
        guard->look(sessions[bridge], now);
    }
    apply_rules();
    ask_for_hosts(now);
    if (!guards_.empty() && !stopping_) look_again_->arm(now + kLookAgain);
}

void GuardControl::stop() {
    const TimePoint now = boot_now();
    stopping_ = true;  // events of the kernel go on for a moment, and must not bring the rules back
    look_again_->arm(std::nullopt);
    for (auto& [bridge, guard] : guards_) guard->save(now);
    guards_.clear();
    if (!nft_ || (applied_ && applied_->empty())) return;
    const auto removed = nft_->remove(table_);
    if (!removed) services_.log->error("guard: {}", removed.error().text());
    applied_ = "";
}

// ----------------------------------------------------------------------------------------------------------- hosts

void GuardControl::open_monitor() {
    if (monitor_ || guards_.empty()) return;
    auto monitor = bridge::FdbMonitor::open();
    if (!monitor) {
        services_.log->error("guard: {}: moving hosts are not noticed", monitor.error().text());
        return;
    }
    monitor_.emplace(std::move(*monitor));
    hosts_.assign(monitor_->fd());
    wait_for_hosts();
}

void GuardControl::wait_for_hosts() {
    hosts_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
        if (error) return;
        // In a loop hosts move as fast as frames go round: to follow each move would leave no time for the probes.
        if (read_hosts())
            hosts_again_->arm(boot_now() + kBreath);
        else
            wait_for_hosts();
    });
}

/// True: there are more than can be followed.
bool GuardControl::read_hosts() {
    const bridge::FdbChanges changes = monitor_->drain();
    const TimePoint now = boot_now();
    std::map<IfIndex, std::vector<bridge::netlink::FdbMessage>> by_bridge;
    for (const auto& host : changes.hosts) by_bridge[host.bridge].push_back(host);
    for (auto& [bridge, guard] : guards_) {
        const auto hosts = by_bridge.find(guard->bridge_index());
        if (hosts != by_bridge.end()) guard->on_hosts(hosts->second, now);
        if (changes.lost) guard->on_fdb_overrun(now);
    }
    // What was lost is asked for, but not while it goes on.
    if (changes.lost) ask_again_ = std::min(ask_again_, now + kAskAfterLoss);
    return changes.lost || changes.more;
}

void GuardControl::ask_for_hosts(TimePoint now) {
    if (!monitor_ || guards_.empty() || now < ask_again_) return;
    ask_again_ = now + kAskForHosts;
    if (const auto asked = monitor_->request_all(); !asked)
        services_.log->debug("guard: {}", asked.error().text());
}

// ------------------------------------------------------------------------------------------------ rules of the kernel

bridge::GuardRules GuardControl::wanted_rules() const {
    bridge::GuardRules rules;
    rules.table = table_;
    const auto exists = [](const std::string& device) { return if_nametoindex(device.c_str()) != 0; };
    for (const auto& [bridge, guard] : guards_) {
        const auto ports = guard->lan_ports();
        if (ports.size() < 2) continue;  // with one port there is nothing to go round
        auto blocks = guard->lan_blocks();
        for (const std::string& device : ports) {
            if (!exists(device)) continue;
            bridge::DeviceRules of;
            of.device = device;
            of.way = bridge::DeviceRules::Way::both;
            of.blocked = blocks[device];
            of.own_node = raw(guard->node());
            rules.devices.push_back(std::move(of));
        }
    }
    return rules;
}

void GuardControl::apply_rules() {
    apply_filter_rules();
    const bool filtered = configuration_ != nullptr && configuration_->guard.nftables && nft_problem_.empty();
    for (auto& [bridge, guard] : guards_) guard->on_lan_rules(filtered);
}

void GuardControl::apply_filter_rules() {
    if (stopping_ || !kernel_seen_ || configuration_ == nullptr) return;
    const bool wanted = configuration_->guard.nftables;
    if (!wanted && !nft_) return;
    const bridge::GuardRules rules = wanted ? wanted_rules() : bridge::GuardRules{table_, {}};
    std::ostringstream key;
    for (const bridge::DeviceRules& of : rules.devices)
        key << of.device << ' ' << if_nametoindex(of.device.c_str()) << ' ' << of.blocked.vlans.text() << ' '
            << of.blocked.untagged << '\n';
    if (applied_ == key.str()) return;
    if (!nft_) {
        auto socket = bridge::NftSocket::open();
        // Without nftables there is nothing of a predecessor's either.
        if (!socket && rules.devices.empty()) return;
        if (!socket) return tell_problem(socket.error().text());
        nft_.emplace(std::move(*socket));
    }
    const auto done = rules.devices.empty() ? nft_->remove(table_) : nft_->apply(rules);
    if (!done && !rules.devices.empty()) return tell_problem(done.error().text());
    applied_ = key.str();
    nft_problem_.clear();
}

std::vector<std::string> GuardControl::on_rules_lost(const bridge::RuleLosses& losses) {
    if (!applied_ || applied_->empty() || !losses.concern(table_)) return {};
    applied_.reset();
    apply_rules();
    return applied_ ? std::vector<std::string>{table_} : std::vector<std::string>{};
}

void GuardControl::tell_problem(const std::string& problem) {
    if (problem != nft_problem_)
        services_.log->warn(
            "guard: the kernel takes no rules ({}): a VLAN cannot be blocked on one of two LAN ports, unless "
            "their bridge filters VLANs; guard.nftables = false says that this is known",
            problem);
    nft_problem_ = problem;
}

// -------------------------------------------------------------------------------------------------- status, commands

json GuardControl::status() const {
    json out{{"enabled", configuration_ != nullptr && configuration_->guard.enabled},
             {"bridges", json::array()}};
    const TimePoint now = boot_now();
    std::size_t open = 0;
    std::size_t closed = 0;
    for (const auto& [bridge, guard] : guards_) {
        out["bridges"].push_back(guard->status(now));
        open += out["bridges"].back().value("open_vlans", std::size_t{0});
        closed += out["bridges"].back().value("closed_vlans", std::size_t{0});
    }
    if (!guards_.empty())
        out["summary"] = std::to_string(open) + " VLANs open, " +
                         (closed == 0 ? "none" : std::to_string(closed)) + " closed" +
                         (closed == 0 ? "" : " (isthmus guard says why)");
    if (!nft_problem_.empty()) out["nftables_problem"] = nft_problem_;
    return out;
}

Result<json, std::string> GuardControl::on_request(const json& request) {
    const std::string what = request.value("what", "show");
    const auto answer = [this] {
        json out = status();
        out["storms"] = storms_.status();
        return out;
    };
    if (what == "show") return answer();
    static const std::map<std::string, GuardCommand::What> kWords{{"clear", GuardCommand::What::clear},
                                                                  {"hold", GuardCommand::What::hold},
                                                                  {"observe", GuardCommand::What::observe},
                                                                  {"enforce", GuardCommand::What::enforce}};
    const auto word = kWords.find(what);
    if (word == kWords.end())
        return Unexpected("the guard knows no \"" + what +
                          "\": it knows show, clear, hold, observe and enforce");
    GuardCommand command;
    command.what = word->second;
    if (command.what == GuardCommand::What::clear && request.value("force", false))
        command.what = GuardCommand::What::clear_force;
    if (request.contains("vlan")) {
        const auto vlan = request["vlan"].is_number_unsigned() ? request["vlan"].get<std::uint64_t>() : 4095;
        if (vlan > 4094)
            return Unexpected(std::string("a VLAN is a number of 1 to 4094, or 0 for untagged frames"));
        command.vid = static_cast<std::uint16_t>(vlan);
    }
    command.hold_for = std::chrono::seconds(request.value("seconds", std::uint32_t{0}));
    const std::string port = request.value("port", "");
    bool known = port.empty();
    std::size_t concerned = 0;
    for (auto& [bridge, guard] : guards_) {
        const auto id = port.empty() ? std::nullopt : guard->port_named(port);
        if (!port.empty() && !id) continue;
        known = true;
        command.port = id;
        concerned += guard->on_command(command, boot_now());
    }
    if (!known)
        return Unexpected("no session and no LAN port of a guarded bridge is called \"" + port + "\"");
    if (command.what == GuardCommand::What::hold && concerned == 0)
        return Unexpected(
            "nothing is held: " +
            (port.empty() ? "no session of a guarded bridge" : '"' + port + "\" is no session that") +
            (command.vid ? " carries " + stp_guard::vlan_text(*command.vid) : " carries a VLAN"));
    return answer();
}

}  // namespace isthmus::appliance
