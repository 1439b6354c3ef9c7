// Two IKEv2 engines and the link between them, which loses, delays, duplicates and reorders as it is told. Time is
// simulated: hours pass in milliseconds.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "crypto/ike/credentials.h"
#include "crypto/ike/engine.h"
#include "crypto/ike/identity.h"

namespace isthmus::test {

using namespace crypto::ike;
using namespace std::chrono_literals;

/// Repeatable randomness (splitmix64).
class WorldRng final : public Rng {
  public:
    explicit WorldRng(std::uint64_t seed) : state_(seed) {}
    void fill(MutableBytes out) noexcept override {
        for (auto& byte : out) byte = static_cast<std::uint8_t>(next() >> 56);
    }
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
    [[nodiscard]] bool chance(unsigned percent) noexcept { return below(100) < percent; }

  private:
    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::uint64_t state_;
};

struct LinkOptions {
    unsigned loss_percent = 0;
    unsigned duplicate_percent = 0;
    Duration least_delay = 5ms;
    Duration most_delay = 5ms;  ///< above the least: packets overtake each other
};

/// One gateway: an engine, and what a datapath would have been told.
struct Side {
    struct Pair {
        std::string child;
        std::vector<std::uint8_t> in_key;
        std::vector<std::uint8_t> out_key;
        Spi outbound{};
        SaUsage usage;
        EspPath path;
    };

    std::string name;
    IpAddress address;
    std::unique_ptr<WorldRng> rng;
    std::unique_ptr<Engine> engine;  ///< null: the gateway is down
    std::vector<PeerOptions> peers;
    EngineOptions options;

    std::map<Spi, Pair> pairs;           ///< by inbound SPI
    std::map<std::string, Spi> sending;  ///< by child: the inbound SPI of the pair that sends
    std::set<Spi> expected;              ///< SPIs that were given out
    std::vector<std::string> notes;
    std::vector<std::string> states;
    std::size_t datagrams = 0;
    std::size_t keepalives = 0;
    std::vector<std::string> key_lines;
    std::vector<PathMoved> moves;

    [[nodiscard]] bool noted(std::string_view part) const {
        return std::ranges::any_of(notes,
                                   [&](const std::string& n) { return n.find(part) != std::string::npos; });
    }
};

class World {
  public:
    explicit World(std::uint64_t seed, LinkOptions link = {}) : link_(link), rng_(seed) {
        set_up(a_, "a", {192, 0, 2, 1});
        set_up(b_, "b", {192, 0, 2, 2});
    }

    Side& a() { return a_; }
    Side& b() { return b_; }
    TimePoint now() const { return now_; }
    LinkOptions& link() { return link_; }
    WorldRng& rng() { return rng_; }

    /// Whether a datagram passes; asked before the link's chances.
    std::function<bool(const Side& from, const SendDatagram&)> filter;
    /// Told of everything that the engines do, in words: for a person who looks for a fault.
    std::function<void(const std::string&)> trace;
    /// What a NAT makes of A's source, seen from B; the answer's way back is found by it.
    std::optional<Endpoint> nat_of_a;
    /// ESP packets each way, 20 a second on each child that has a pair.
    bool traffic = false;
    std::size_t data_sent = 0;
    std::size_t data_lost = 0;    ///< arrived, and nobody had the SPI or the key
    std::size_t data_unsent = 0;  ///< no pair to send with
    /// A key or an SPI that was handed out twice. Nonces are covered: the same would give the same keys.
    std::vector<std::string> reused;

    void start(Side& side) {
        side.rng = std::make_unique<WorldRng>(rng_.u64());
        side.engine = std::make_unique<Engine>(side.options, *side.rng);
        side.pairs.clear();
        side.sending.clear();
        side.expected.clear();
        side.engine->configure(side.peers, now_);
        drain(side);
    }
    /// As by power loss: nobody is told.
    void kill(Side& side) {
        side.engine.reset();
        side.pairs.clear();
        side.sending.clear();
        side.expected.clear();
    }
    template <class F>
    auto call(Side& side, F&& f) {
        auto result = f(*side.engine, now_);
        drain(side);
        return result;
    }

    void run_for(Duration time) { run_until(now_ + time); }
    void run_until(TimePoint end) {
        for (;;) {
            TimePoint next = end;
            for (Side* side : {&a_, &b_})
                if (side->engine)
                    if (const auto at = side->engine->next_timeout()) next = std::min(next, *at);
            if (!in_flight_.empty()) next = std::min(next, in_flight_.begin()->first);
            if (traffic) next = std::min(next, next_data_);
            if (next >= end) break;
            now_ = std::max(now_, next);
            step();
        }
        now_ = std::max(now_, end);
    }
    /// Runs until it is so, at most that long. Value: it became so.
    bool run_till(const std::function<bool()>& so, Duration most) {
        const TimePoint end = now_ + most;
        while (now_ < end) {
            if (so()) return true;
            run_until(std::min(end, now_ + 20ms));
        }
        return so();
    }

    [[nodiscard]] PeerSnapshot peer_of(Side& side) const { return side.engine->snapshot(now_).peers.at(0); }
    [[nodiscard]] bool is_up(Side& side) const { return side.engine && peer_of(side).state == PeerState::up; }
    [[nodiscard]] bool both_up() { return is_up(a_) && is_up(b_); }

    /// Empty: both have the same IKE SA, and of each child the same one pair and nothing else. Otherwise what differs.
    [[nodiscard]] std::string disagreement() {
        const auto sa_a = peer_of(a_).ike_sas;
        const auto sa_b = peer_of(b_).ike_sas;
        if (sa_a.size() != 1 || sa_b.size() != 1)
            return std::to_string(sa_a.size()) + " IKE SAs at a, " + std::to_string(sa_b.size()) + " at b";
        if (sa_a[0].initiator_spi != sa_b[0].initiator_spi || sa_a[0].responder_spi != sa_b[0].responder_spi)
            return "different IKE SAs";
        if (sa_a[0].we_initiated == sa_b[0].we_initiated) return "both think that they are the same side";
        const std::size_t children = a_.peers[0].children.size();
        if (a_.pairs.size() != children || b_.pairs.size() != children)
            return std::to_string(a_.pairs.size()) + " pairs at a, " + std::to_string(b_.pairs.size()) +
                   " at b";
        for (const auto& [spi, pair] : a_.pairs) {
            const auto other = b_.pairs.find(pair.outbound);
            if (other == b_.pairs.end() || other->second.outbound != spi) return "pairs do not match";
            if (other->second.in_key != pair.out_key || other->second.out_key != pair.in_key)
                return "keys do not match";
        }
        for (Side* side : {&a_, &b_})
            for (const auto& [child, spi] : side->sending)
                if (!side->pairs.contains(spi)) return side->name + " sends with a pair that is gone";
        if (a_.sending.size() != children || b_.sending.size() != children) return "a child does not send";
        for (Side* side : {&a_, &b_}) {
            if (side->expected.size() != children) return side->name + " keeps SPIs that have no pair";
            for (const auto& [spi, pair] : side->pairs)
                if (!side->expected.contains(spi)) return side->name + " has a pair that it does not expect";
        }
        return "";
    }

  private:
    struct Flight {
        bool to_b = false;
        std::vector<std::uint8_t> bytes;  ///< IKE
        Path path;
        std::optional<Spi> esp;  ///< a data packet
        std::vector<std::uint8_t> key;
    };

    void set_up(Side& side, std::string name, std::array<std::uint8_t, 4> address) {
        side.name = std::move(name);
        side.address = IpAddress::v4(address);
    }
    Side& other(const Side& side) { return &side == &a_ ? b_ : a_; }

    void step() {
        if (!in_flight_.empty() && in_flight_.begin()->first <= now_) {
            const Flight flight = std::move(in_flight_.begin()->second);
            in_flight_.erase(in_flight_.begin());
            arrive(flight);
        }
        for (Side* side : {&a_, &b_}) {
            if (!side->engine) continue;
            const auto at = side->engine->next_timeout();
            if (at && *at <= now_) {
                side->engine->on_timeout(now_);
                drain(*side);
            }
        }
        if (traffic && next_data_ <= now_) {
            next_data_ = now_ + 50ms;
            for (Side* side : {&a_, &b_}) send_data(*side);
        }
    }
    void arrive(const Flight& flight) {
        Side& to = flight.to_b ? b_ : a_;
        if (!to.engine) return;
        if (!flight.esp) {
            to.engine->on_datagram(flight.bytes, flight.path, now_,
                                   WallTime(std::chrono::seconds(1'700'000'000)));
            return drain(to);
        }
        const auto pair = to.pairs.find(*flight.esp);
        if (pair == to.pairs.end() || pair->second.in_key != flight.key) {
            ++data_lost;
            to.engine->on_unknown_spi(*flight.esp, flight.path, now_);
            return drain(to);
        }
        SaUsage& usage = pair->second.usage;
        ++usage.packets_in;
        usage.bytes_in += 100;
        usage.last_in = now_;
        to.engine->on_sa_usage(*flight.esp, usage, now_);
        if (flight.path.remote != pair->second.path.remote && pair->second.path.in_udp)
            to.engine->on_esp_path_moved(*flight.esp, flight.path.remote, now_);
        drain(to);
    }
    void send_data(Side& from) {
        if (!from.engine) return;
        for (const auto& child : from.peers[0].children) {
            const auto sending = from.sending.find(child.name);
            if (sending == from.sending.end()) {
                ++data_unsent;
                continue;
            }
            Side::Pair& pair = from.pairs.at(sending->second);
            ++pair.usage.packets_out;
            pair.usage.bytes_out += 100;
            Flight flight;
            flight.esp = pair.outbound;
            flight.key = pair.out_key;
            ++data_sent;
            launch(from, pair.path.local, pair.path.remote, std::move(flight));
        }
    }
    void launch(Side& from, Endpoint local, Endpoint remote, Flight flight) {
        flight.to_b = &from == &a_;
        Endpoint source = local;
        Endpoint target = remote;
        if (flight.to_b && nat_of_a)
            source = {nat_of_a->address, static_cast<std::uint16_t>(nat_of_a->port + local.port)};
        if (!flight.to_b && nat_of_a) {
            // What the NAT does not map, it drops.
            if (target.address != nat_of_a->address || target.port < nat_of_a->port) return;
            target = {a_.address, static_cast<std::uint16_t>(target.port - nat_of_a->port)};
        }
        flight.path.local = target;
        flight.path.remote = source;
        if (flight.path.local.address != other(from).address) return;
        if (rng_.chance(link_.loss_percent)) return;
        const unsigned copies = rng_.chance(link_.duplicate_percent) ? 2 : 1;
        for (unsigned i = 0; i < copies; ++i) {
            const auto spread = static_cast<std::uint64_t>((link_.most_delay - link_.least_delay).count());
            const Duration delay =
                link_.least_delay + Duration(static_cast<std::int64_t>(spread ? rng_.below(spread) : 0));
            in_flight_.emplace(now_ + delay, flight);
        }
    }
    void drain(Side& side) {
        while (side.engine) {
            auto action = side.engine->poll_action();
            if (!action) return;
            std::visit([&](auto& a) { handle(side, a); }, *action);
        }
    }
    void handle(Side& side, SendDatagram& a) {
        ++side.datagrams;
        tell(side, "sends exchange " + std::to_string(a.bytes[18]) +
                       ((a.bytes[19] & 0x20) != 0 ? " response " : " request ") +
                       std::to_string(load_be32(&a.bytes[20])) + " of " + to_hex(Bytes(a.bytes).first(4)));
        if (filter && !filter(side, a)) return;
        Flight flight;
        flight.bytes = a.bytes;
        launch(side, a.local, a.remote, std::move(flight));
    }
    void handle(Side& side, SendKeepalive&) { ++side.keepalives; }
    void handle(Side& side, Resolve& a) {
        std::vector<ResolvedAddress> found;
        if (const auto address = IpAddress::parse(a.host)) found.push_back({*address, side.address});
        side.engine->on_resolved(a.peer, found, now_);
    }
    void handle(Side& side, ExpectEsp& a) { side.expected.insert(a.inbound); }
    void handle(Side& side, ForgetEsp& a) { side.expected.erase(a.inbound); }
    void handle(Side& side, ChildUp& a) {
        const auto in_key = a.inbound.key.reveal();
        const auto out_key = a.outbound.key.reveal();
        Side::Pair pair{
            a.child, {in_key.begin(), in_key.end()}, {out_key.begin(), out_key.end()}, a.outbound.spi, {},
            a.path};
        if (!spis_.insert({side.name, a.inbound.spi}).second) reused.push_back("SPI");
        if (!keys_.insert({side.name, pair.in_key}).second) reused.push_back("key");
        if (pair.in_key == pair.out_key) reused.push_back("key of both directions");
        if (a.use_outbound) side.sending[a.child] = a.inbound.spi;
        side.pairs[a.inbound.spi] = std::move(pair);
        tell(side, a.child + " up: " + text_of(a.inbound.spi) + (a.use_outbound ? ", sends" : ""));
    }
    void handle(Side& side, UseOutbound& a) {
        side.sending[a.child] = a.inbound;
        tell(side, a.child + " sends with " + text_of(a.inbound));
    }
    void handle(Side& side, ChildDown& a) {
        tell(side, a.child + " down: " + text_of(a.inbound) + " " + std::string(name_of(a.reason)));
        side.pairs.erase(a.inbound);
        const auto sending = side.sending.find(a.child);
        if (sending != side.sending.end() && sending->second == a.inbound) side.sending.erase(sending);
    }
    void handle(Side& side, PathMoved& a) {
        for (const Spi spi : a.inbound)
            if (const auto pair = side.pairs.find(spi); pair != side.pairs.end()) pair->second.path = a.path;
        side.moves.push_back(a);
    }
    void handle(Side& side, PeerStateChanged& a) {
        side.states.push_back(std::string(name_of(a.state)) + ": " + a.why);
        tell(side, "is " + side.states.back());
    }
    void handle(Side& side, Note& a) {
        side.notes.push_back(a.text);
        tell(side, "notes: " + a.text);
    }
    void tell(const Side& side, const std::string& what) {
        if (trace) trace(side.name + " " + what);
    }
    void handle(Side& side, KeyLog& a) {
        const auto line = a.line.reveal();
        side.key_lines.emplace_back(line.begin(), line.end());
    }

    LinkOptions link_;
    WorldRng rng_;
    TimePoint now_{std::chrono::hours(1)};
    TimePoint next_data_{};
    Side a_;
    Side b_;
    std::multimap<TimePoint, Flight> in_flight_;
    std::set<std::pair<std::string, Spi>> spis_;
    std::set<std::pair<std::string, std::vector<std::uint8_t>>> keys_;
};

inline std::shared_ptr<const Credentials> shared_key(std::string_view secret) {
    auto credentials = std::make_shared<Credentials>();
    credentials->psk.emplace(Bytes(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()));
    return credentials;
}

/// UDP 1701 between the gateways, in transport mode.
inline ChildOptions l2tp_child(std::string name = "l2tp", std::uint16_t port = 1701) {
    ChildOptions child;
    child.name = std::move(name);
    child.local = {{.protocol = 17, .first_port = port, .last_port = port, .range = {}}};
    child.remote = child.local;
    child.policy.groups = {crypto::DhGroup::curve25519};
    child.policy.forward_secrecy = ForwardSecrecy::off;
    child.policy.suites = {crypto::esp::Suite::aes256_gcm16};
    return child;
}

/// What `own` knows of `peer`.
inline PeerOptions peer_options(const Side& own, const Side& peer) {
    PeerOptions options;
    options.name = "peer-" + peer.name;
    options.local = own.address;
    options.remote_host = peer.address.text();
    options.local_id = parse_identity(own.name + ".example.org").value();
    options.remote_id = parse_identity(peer.name + ".example.org").value();
    options.credentials = shared_key("correct horse battery staple 0123456789");
    options.policy.ciphers = {{crypto::ike::EncryptionId::aes_gcm16, 256, IntegrityId::none}};
    options.policy.prfs = {crypto::Prf::hmac_sha256};
    options.policy.groups = {crypto::DhGroup::curve25519};
    options.children = {l2tp_child()};
    return options;
}

/// Both configured, A as initiator and B as responder unless told otherwise; not started.
inline void configure(World& world, Role a = Role::initiator, Role b = Role::responder) {
    world.a().peers = {peer_options(world.a(), world.b())};
    world.b().peers = {peer_options(world.b(), world.a())};
    world.a().peers[0].role = a;
    world.b().peers[0].role = b;
}

}  // namespace isthmus::test
