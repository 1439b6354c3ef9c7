#include "appliance/ike_control.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "appliance/clock.h"
#include "appliance/file_descriptor.h"
#include "appliance/ike_report.h"
#include "appliance/ike_setup.h"
#include "appliance/route_lookup.h"

namespace isthmus::appliance {

using namespace crypto::ike;
using tunnel::io::WanProtocol;

namespace {

constexpr std::uint16_t kIkePort = 500;
constexpr std::uint16_t kNatPort = 4500;
/// CS6, network control (RFC 4594 section 3.1).
constexpr std::uint8_t kTrafficClass = 0xc0;
constexpr std::chrono::seconds kSecond{1};

EngineOptions engine_options(const std::filesystem::path& key_log) {
    EngineOptions options;
    options.ike_port = kIkePort;
    options.nat_port = kNatPort;
    options.key_log = !key_log.empty();
    return options;
}

std::string_view file_of(KeyLog::Table table) noexcept {
    return table == KeyLog::Table::esp_sa ? "esp_sa" : "ikev2_decryption_table";
}

/// Datagrams on UDP 4500 come in with the data; raw ESP has a socket of its own.
std::vector<WanAddress> addresses_of(const IpAddress& local, Encapsulation encapsulation) {
    std::vector<WanAddress> addresses;
    if (encapsulation != Encapsulation::never) addresses.push_back({WanProtocol::udp, {local, kNatPort}});
    if (encapsulation != Encapsulation::always) addresses.push_back({WanProtocol::esp, {local, 0}});
    return addresses;
}

std::vector<Spi> manual_spis(const config::Configuration& configuration) {
    std::vector<Spi> spis;
    for (const config::TunnelConfig& tunnel : configuration.tunnels)
        if (tunnel.esp) spis.push_back(tunnel.esp->in.spi);
    return spis;
}

}  // namespace

IkeControl::IkeControl(ControlServices& services, SharedIds<Spi>& expected,
                       const std::filesystem::path& key_log)
    : services_(services),
      expected_(expected),
      key_log_(key_log),
      pairs_(services.tunnels, services.providers, services.rng, services.log),
      known_time_(services.state_dir),
      engine_(engine_options(key_log), services.rng),
      deadline_(services.io,
                [this](TimePoint now) {
                    engine_.on_timeout(now);
                    act();
                }),
      second_(services.io, [this](TimePoint) { every_second(); }) {
    if (!key_log_.empty())
        services_.log->warn("keys are written to {}: whoever reads them reads all traffic, past and future",
                            key_log_.string());
    if (!known_time_.problem().empty()) services_.log->warn("{}", known_time_.problem());
    engine_.on_certain_time(known_time_.newest());
    listen_to_punts();
    add_commands();
}

IkeControl::~IkeControl() = default;

void IkeControl::listen_to_punts() {
    services_.punts.on(PuntClass::ike, [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
        engine_.on_datagram(message.data(), message.path, now, wall_now());
        act();
    });
    services_.punts.on(PuntClass::first_packet,
                       [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
                           const Spi spi = message.path.authenticated_by.value_or(Spi{});
                           auto usage = pairs_.usage_of(spi);
                           if (!usage) return;
                           // The worker's counter may be a moment behind its message.
                           usage->packets_in = std::max<std::uint64_t>(usage->packets_in, 1);
                           engine_.on_sa_usage(spi, *usage, now);
                           act();
                       });
    services_.punts.on(PuntClass::peer_moved, [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
        engine_.on_esp_path_moved(message.path.authenticated_by.value_or(Spi{}), message.path.remote, now);
        act();
    });
    services_.punts.on(PuntClass::unknown_spi, [this](const PuntMessage& message, PuntOrigin, TimePoint now) {
        if (message.data().size() < 4) return;
        engine_.on_unknown_spi(Spi{load_be32(message.data().data())}, message.path, now);
        act();
    });
}

void IkeControl::add_commands() {
    using Answer = Result<nlohmann::json, std::string>;
    services_.commands.on("ike", "IKE SAs and children of each peer, and why one is not up",
                          [this](const nlohmann::json&) -> Answer { return status(); });
    const auto done = [this](Result<void, std::string> outcome) -> Answer {
        act();
        if (!outcome) return Unexpected(outcome.error());
        return nlohmann::json{{"done", true}};
    };
    services_.commands.on(
        "ike-rekey", "new keys for a peer's IKE SA, or with \"child\" for that child",
        [this, done](const nlohmann::json& request) -> Answer {
            const auto child = request.value("child", std::string());
            return done(engine_.rekey(request.value("peer", std::string()),
                                      child.empty() ? std::nullopt : std::optional<std::string_view>(child),
                                      boot_now()));
        });
    services_.commands.on(
        "ike-terminate", "closes all SAs with a peer; they are then built anew",
        [this, done](const nlohmann::json& request) -> Answer {
            return done(engine_.terminate(request.value("peer", std::string()), boot_now()));
        });
    services_.commands.on("ike-initiate", "begins with a peer now, whatever its back-off says",
                          [this, done](const nlohmann::json& request) -> Answer {
                              return done(engine_.initiate(request.value("peer", std::string()), boot_now()));
                          });
}

void IkeControl::configure(const config::Configuration& configuration) {
    auto setup = ike_setup(configuration, "the configuration", wall_now());
    if (!setup) {
        for (const auto& problem : setup.error()) services_.log->error("{}", problem.text());
        services_.log->error("IKE keeps its peers as they were");
        return;
    }
    std::vector<PeerOptions> peers;
    std::set<IpAddress> locals;
    for (IkePeerSetup& peer : setup->peers) {
        const IpAddress local = peer.options.local;
        locals.insert(local);
        (void)sockets_[local];
        if (TunnelControl* tunnel = services_.tunnels.named(peer.tunnel))
            tunnel->listen_on(addresses_of(local, peer.options.encapsulation));
        peers.push_back(std::move(peer.options));
    }
    std::erase_if(sockets_, [&](const auto& entry) { return !locals.contains(entry.first); });
    std::erase_if(nat_sockets_, [&](const auto& entry) { return !locals.contains(entry.first); });
    open_sockets();
    engine_.reserve_spis(manual_spis(configuration));
    certified_.clear();
    for (const PeerOptions& peer : peers)
        if (!peer.credentials->authorities.empty()) certified_.push_back(peer.credentials);
    look_at_clock();
    engine_.configure(std::move(peers), boot_now());
    act();
    second_.arm(boot_now() + kSecond);
}

void IkeControl::open_sockets() {
    const auto tell = [this](const std::string& what, const std::string& problem) {
        std::string& before = socket_problems_[what];
        if (before != problem && !problem.empty()) services_.log->warn("{}", problem);
        before = problem;
    };
    for (auto& [local, socket] : sockets_) {
        if (!socket) {
            auto opened = IkeSocket::open(services_.io, {local, kIkePort},
                                          [this](Bytes message, const Path& path, TimePoint now) {
                                              engine_.on_datagram(message, path, now, wall_now());
                                              act();
                                          });
            tell("500 " + local.text(), opened ? "" : opened.error());
            if (opened) socket = std::move(*opened);
        }
        if (nat_sockets_[local]) continue;
        auto shared = services_.sockets.open(WanProtocol::udp, {local, kNatPort});
        tell("4500 " + local.text(), shared ? "" : shared.error().text);
        if (shared) nat_sockets_[local] = std::move(*shared);
    }
}

void IkeControl::stop() {
    engine_.shut_down(boot_now());
    act();
    if (const auto saved = known_time_.save(); !saved) services_.log->warn("{}", saved.error());
    deadline_.arm(std::nullopt);
    second_.arm(std::nullopt);
}

nlohmann::json IkeControl::status() const {
    const Snapshot snapshot = engine_.snapshot(boot_now());
    const auto up = std::ranges::count(snapshot.peers, PeerState::up, &PeerSnapshot::state);
    nlohmann::json report = ike_report(snapshot);
    report["clock_doubt"] = clock_doubt_.empty() ? nlohmann::json() : nlohmann::json(clock_doubt_);
    report["key_log"] = key_log_.empty() ? nlohmann::json() : nlohmann::json(key_log_.string());
    if (!snapshot.peers.empty())
        report["summary"] = std::to_string(up) + " of " + std::to_string(snapshot.peers.size()) + " peers up";
    return report;
}

void IkeControl::every_second() {
    const TimePoint now = boot_now();
    for (const auto& [spi, usage] : pairs_.usage()) engine_.on_sa_usage(spi, usage, now);
    act();
    if (clock_is_synchronised()) {
        const auto noted = known_time_.on_trusted_time(wall_now());
        if (!noted) services_.log->warn("{}", noted.error());
    }
    if (!clock_doubt_.empty()) look_at_clock();
    second_.arm(now + kSecond);
}

void IkeControl::look_at_clock() {
    const Clock clock{wall_now(), known_time_.newest()};
    std::optional<std::string> doubt;
    for (const auto& credentials : certified_)
        if ((doubt = clock_doubt(*credentials, clock))) break;
    if (doubt && clock_doubt_.empty())
        services_.log->warn(
            "{}: until it is set right, certificates are refused, or with accept_without_clock "
            "accepted whatever their dates",
            *doubt);
    const bool is_known_now = !doubt && !clock_doubt_.empty();
    clock_doubt_ = doubt.value_or("");
    if (!is_known_now) return;
    services_.log->info("the clock is plausible: dates of certificates count again");
    engine_.check_certificates(boot_now(), wall_now());
    act();
}

void IkeControl::act() {
    while (auto action = engine_.poll_action()) std::visit([this](auto& a) { handle(a); }, *action);
    deadline_.arm(engine_.next_timeout());
}

void IkeControl::handle(SendDatagram& action) {
    // The peer may use what we agreed on as soon as it reads this.
    services_.settle();
    if (action.with_marker) {
        std::vector<std::uint8_t> marked(4, 0);
        marked.insert(marked.end(), action.bytes.begin(), action.bytes.end());
        return send_on_nat_port(action.local, action.remote, marked);
    }
    const auto socket = sockets_.find(action.local.address);
    if (socket != sockets_.end() && socket->second) (void)socket->second->send(action.remote, action.bytes);
}

void IkeControl::handle(SendKeepalive& action) {
    constexpr std::array<std::uint8_t, 1> kKeepalive{0xff};
    send_on_nat_port(action.local, action.remote, kKeepalive);
}

void IkeControl::send_on_nat_port(const Endpoint& local, const Endpoint& to, Bytes bytes) {
    const auto socket = nat_sockets_.find(local.address);
    // What cannot be sent is like what is lost on the way: the engine repeats it.
    if (socket != nat_sockets_.end() && socket->second)
        (void)services_.injector.datagram(*socket->second, to, bytes, kTrafficClass);
}

void IkeControl::handle(Resolve& action) {
    services_.resolver.resolve(
        action.host, [this, peer = action.peer, host = action.host](Resolver::Answer answer) {
            std::vector<ResolvedAddress> found;
            if (!answer) services_.log->debug("peer {}: {}", peer, answer.error());
            if (answer) {
                for (const IpAddress& address : *answer)
                    found.push_back({address, local_address_towards(address).value_or(IpAddress())});
            }
            const TunnelControl* tunnel = services_.tunnels.named(peer);
            if (tunnel != nullptr)
                std::erase_if(found, [&](const ResolvedAddress& a) {
                    return a.remote.is_v6() != tunnel->config().ike->local.is_v6();
                });
            engine_.on_resolved(peer, found, boot_now());
            act();
        });
}

void IkeControl::handle(ExpectEsp& action) {
    // Without room for it, packets that come too early are lost.
    (void)expected_.insert(action.inbound);
}

void IkeControl::handle(ForgetEsp& action) {
    expected_.erase(action.inbound);
}

void IkeControl::handle(ChildUp& action) {
    pairs_.on_up(action);
    services_.changed();
}

void IkeControl::handle(UseOutbound& action) {
    pairs_.on_use(action);
    services_.changed();
}

void IkeControl::handle(ChildDown& action) {
    pairs_.on_down(action);
    services_.changed();
}

void IkeControl::handle(PathMoved& action) {
    pairs_.on_moved(action);
    services_.changed();
}

void IkeControl::handle(PeerStateChanged& action) {
    TunnelControl* tunnel = services_.tunnels.named(action.peer);
    if (tunnel == nullptr) return;
    const std::string state(name_of(action.state));
    tunnel->set_keying({RunState::waiting, "IKE " + state + (action.why.empty() ? "" : ": " + action.why)});
    services_.changed();
}

void IkeControl::handle(Note& action) {
    const std::string text = action.peer.empty() ? action.text : "peer " + action.peer + ": " + action.text;
    switch (action.level) {
        case NoteLevel::debug: services_.log->debug("{}", text); break;
        case NoteLevel::info: services_.log->info("{}", text); break;
        case NoteLevel::warning: services_.log->warn("{}", text); break;
    }
}

void IkeControl::handle(KeyLog& action) {
    const auto path = key_log_ / file_of(action.table);
    const FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    const Bytes line = action.line.reveal();
    const bool written =
        file && ::write(file.value(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
        ::write(file.value(), "\n", 1) == 1;
    if (!written) services_.log->warn("cannot write {}: {}", path.string(), std::strerror(errno));
}

}  // namespace isthmus::appliance
