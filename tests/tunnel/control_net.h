// Control engines joined by a simulated network: loss, delay, reordering, duplication, restarts, all from one seed.
#pragma once

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/crypto/seeded_rng.h"
#include "tunnel/control_engine.h"
#include "tunnel/control_header.h"
#include "tunnel/control_message.h"

namespace isthmus::test {

using namespace std::chrono_literals;
using tunnel::ControlAction;
using tunnel::ControlPlan;
using tunnel::NegotiatedSession;

/// What goes wrong between two gateways.
struct Weather {
    double loss = 0;
    double duplication = 0;
    Duration delay = 5ms;
    Duration jitter{0};  ///< on top, evenly distributed: what reorders
};

/// Something that must never be: kept for the test to report.
using Complaints = std::vector<std::string>;

/// A gateway: its engine, and what its datapath has been told.
struct SimGateway {
    SimGateway(IpAddress a, std::uint64_t seed) : address(a), rng(seed) {}

    void start(TimePoint now) {
        engine = std::make_unique<tunnel::ControlEngine>(rng);
        connected.clear();
        sessions.clear();
        ids.clear();
        for (const auto& connection : plan.connections) engine->on_transport(connection.tunnel, true, now);
        engine->configure(plan, now);
    }

    IpAddress address;
    SeededRng rng;
    ControlPlan plan;
    std::unique_ptr<tunnel::ControlEngine> engine;  ///< null: it is down
    std::map<TunnelIndex, tunnel::ConnectionUp> connected;
    std::map<SessionIndex, NegotiatedSession> sessions;
    std::set<std::uint32_t> ids;  ///< Control Connection IDs that are in use
    std::map<SessionIndex, tunnel::CircuitStatus> peer_circuits;
    std::vector<std::string> said;
    std::vector<tunnel::GuardNotice> guard_notices;
    std::uint32_t ups = 0;
    std::uint32_t downs = 0;
    std::uint32_t changes = 0;
    std::vector<IpAddress> resolves_to;
};

class ControlNet {
  public:
    explicit ControlNet(std::uint64_t seed) : rng_(seed ^ 0x5eed) {}

    SimGateway& add(std::string_view address, std::uint64_t seed) {
        gateways_.push_back(std::make_unique<SimGateway>(*IpAddress::parse(address), seed));
        return *gateways_.back();
    }

    struct Packet {
        std::uint64_t number = 0;
        tunnel::SendControl what;
        SimGateway* from = nullptr;
    };

    Weather weather;
    bool is_protected = false;
    /// Asked for each packet that is sent; false: lost.
    std::function<bool(const Packet&)> filter;
    /// Called behind each packet that arrived.
    std::function<void(const Packet&)> watcher;
    bool tracing = false;  ///< print each message
    Complaints complaints;
    TimePoint now{};
    std::uint64_t packets_sent = 0;
    Duration longest_one_sided{0};

    void run_for(Duration time) { run_until(now + time); }
    void run_until(TimePoint end) {
        drain();
        while (step(end)) {
        }
        now = end;
    }
    /// Runs until `done` or the time is over; whether it was done.
    bool run_until(const std::function<bool()>& done, Duration limit) {
        const TimePoint end = now + limit;
        drain();
        while (!done()) {
            if (!step(end)) {
                now = end;
                return done();
            }
        }
        return true;
    }

    /// Takes what the engines want done; to be called after an engine was called from outside.
    void drain() {
        for (const auto& gateway : gateways_) drain(*gateway);
        look_at_sides();
    }

    void restart(SimGateway& gateway) {
        gateway.engine.reset();
        gateway.start(now);
        drain();
    }

    /// A packet as if it came from the network now.
    void inject(SimGateway& to, const tunnel::ControlArrival& arrival, Bytes bytes) {
        if (to.engine) to.engine->on_message(bytes, arrival, now);
        drain();
    }

    /// For a filter that has changed a packet: sends it so.
    void resend(const Packet& packet, tunnel::SendControl changed) {
        put_on_the_way({packet.number, std::move(changed), packet.from});
    }

  private:
    struct Flying {
        Packet packet;
        SimGateway* to = nullptr;
    };

    bool step(TimePoint end) {
        TimePoint next = TimePoint::max();
        SimGateway* timer = nullptr;
        if (!flying_.empty()) next = flying_.begin()->first;
        for (const auto& gateway : gateways_) {
            if (!gateway->engine) continue;
            const auto at = gateway->engine->next_timeout();
            if (at && *at < next) {
                next = *at;
                timer = gateway.get();
            }
        }
        if (next > end) return false;
        if (next > now) {
            steps_at_once_ = 0;
        } else if (++steps_at_once_ > 10'000) {
            complaints.emplace_back("the engines do not come to rest");
            return false;
        }
        now = std::max(now, next);
        if (timer != nullptr) {
            timer->engine->on_timeout(now);
            drain();
            return true;
        }
        const Flying flying = std::move(flying_.begin()->second);
        flying_.erase(flying_.begin());
        deliver(flying);
        return true;
    }

    void deliver(const Flying& flying) {
        if (flying.to->engine) {
            tunnel::ControlArrival arrival;
            arrival.encapsulation = flying.packet.what.encapsulation;
            arrival.path.local = flying.packet.what.path.remote;
            arrival.path.remote = flying.packet.what.path.local;
            if (is_protected) arrival.authenticated_for = TunnelIndex{0};
            flying.to->engine->on_message(flying.packet.what.bytes, arrival, now);
        }
        drain();
        if (watcher) watcher(flying.packet);
    }

    void drain(SimGateway& gateway) {
        if (!gateway.engine) return;
        while (const auto action = gateway.engine->poll_action()) apply(gateway, *action);
    }

    void apply(SimGateway& gateway, const ControlAction& action) {
        if (const auto* send = std::get_if<tunnel::SendControl>(&action)) return fly(gateway, *send);
        if (const auto* id = std::get_if<tunnel::ConnectionIdUse>(&action)) {
            const bool is_change =
                id->in_use ? gateway.ids.insert(raw(id->id)).second : gateway.ids.erase(raw(id->id)) == 1;
            if (!is_change) complaints.emplace_back("a Control Connection ID in use twice, or ended twice");
            return;
        }
        if (const auto* up = std::get_if<tunnel::ConnectionUp>(&action)) {
            if (!gateway.ids.contains(raw(up->local_id)))
                complaints.emplace_back("ConnectionUp with an id that is not in use");
            if (!gateway.connected.emplace(up->tunnel, *up).second)
                complaints.emplace_back("ConnectionUp twice");
        } else if (const auto* down = std::get_if<tunnel::ConnectionDown>(&action)) {
            if (gateway.connected.erase(down->tunnel) == 0)
                complaints.emplace_back("ConnectionDown without an up");
            for (const auto& [index, session] : gateway.sessions)
                if (session.tunnel == down->tunnel)
                    complaints.emplace_back("a session outlives its connection");
            gateway.said.push_back("down: " + down->reason);
        } else if (const auto* session_up = std::get_if<tunnel::SessionUp>(&action)) {
            ++gateway.ups;
            const NegotiatedSession& session = session_up->session;
            if (!gateway.connected.contains(session.tunnel))
                complaints.emplace_back("a session without connection");
            if (!gateway.sessions.emplace(session.session, session).second)
                complaints.emplace_back("SessionUp twice");
            gateway.peer_circuits[session.session] = session.peer_circuit;
        } else if (const auto* changed = std::get_if<tunnel::SessionChanged>(&action)) {
            ++gateway.changes;
            const NegotiatedSession& session = changed->session;
            if (!gateway.sessions.contains(session.session))
                complaints.emplace_back("SessionChanged while down");
            gateway.sessions[session.session] = session;
            gateway.peer_circuits[session.session] = session.peer_circuit;
        } else if (const auto* session_down = std::get_if<tunnel::SessionDown>(&action)) {
            ++gateway.downs;
            if (gateway.sessions.erase(session_down->session) == 0)
                complaints.emplace_back("SessionDown without an up");
            gateway.said.push_back("session down: " + session_down->reason);
        } else if (const auto* circuit = std::get_if<tunnel::PeerCircuit>(&action)) {
            gateway.peer_circuits[circuit->session] = circuit->status;
        } else if (const auto* notice = std::get_if<tunnel::GuardNotice>(&action)) {
            gateway.guard_notices.push_back(*notice);
        } else if (const auto* resolve = std::get_if<tunnel::Resolve>(&action)) {
            gateway.engine->on_resolved(resolve->tunnel, gateway.resolves_to, now);
        } else if (const auto* note = std::get_if<tunnel::ControlNote>(&action)) {
            gateway.said.push_back(note->text);
        }
    }

    void trace(const char* verb, const Packet& packet) const {
        const auto parsed = tunnel::ControlPacket::parse(packet.what.encapsulation, packet.what.bytes);
        if (!parsed) return;
        const auto message = tunnel::parse_body(parsed->body);
        std::printf("%9.3f %s #%llu %s > %s cc %08x ns %u nr %u %s\n",
                    std::chrono::duration<double>(now.time_since_epoch()).count(), verb,
                    static_cast<unsigned long long>(packet.number), packet.what.path.local.text().c_str(),
                    packet.what.path.remote.text().c_str(), raw(parsed->header.connection), parsed->header.ns,
                    parsed->header.nr, message ? tunnel::name_of(message->message).c_str() : "?");
    }

    void fly(SimGateway& from, const tunnel::SendControl& what) {
        const Packet packet{packets_sent++, what, &from};
        if (tracing) trace("send", packet);
        if (filter && !filter(packet)) return;
        put_on_the_way(packet);
    }

    void put_on_the_way(const Packet& packet) {
        const auto to = std::find_if(gateways_.begin(), gateways_.end(), [&](const auto& g) {
            return g->address == packet.what.path.remote.address;
        });
        if (to == gateways_.end()) return;
        const int copies = chance(weather.duplication) ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
            if (chance(weather.loss)) continue;
            const auto extra = weather.jitter.count() > 0
                                   ? Duration(static_cast<std::int64_t>(
                                         rng_.below(static_cast<std::uint64_t>(weather.jitter.count()))))
                                   : Duration{0};
            flying_.emplace(now + weather.delay + extra, Flying{packet, to->get()});
        }
    }

    bool chance(double p) { return p > 0 && static_cast<double>(rng_.below(1'000'000)) < p * 1e6; }

    /// How long a session has been up on one side while the other side has not the same.
    void look_at_sides() {
        std::set<std::pair<SimGateway*, SessionIndex>> alone;
        for (const auto& gateway : gateways_)
            for (const auto& [index, session] : gateway->sessions)
                if (!has_other_side(*gateway, session)) alone.emplace(gateway.get(), index);
        std::erase_if(alone_since_, [&](const auto& entry) { return !alone.contains(entry.first); });
        for (const auto& key : alone) {
            const auto at = alone_since_.try_emplace(key, now).first;
            longest_one_sided = std::max(longest_one_sided, now - at->second);
        }
    }

    bool has_other_side(const SimGateway& gateway, const NegotiatedSession& session) const {
        for (const auto& other : gateways_) {
            if (other.get() == &gateway) continue;
            for (const auto& [index, theirs] : other->sessions) {
                const bool current = theirs.options.local_id == session.options.remote_id;
                const bool also =
                    theirs.also_accepted && theirs.also_accepted->local_id == session.options.remote_id;
                if (current || also) return true;
            }
        }
        return false;
    }

    SeededRng rng_;
    std::vector<std::unique_ptr<SimGateway>> gateways_;
    std::multimap<TimePoint, Flying> flying_;
    std::map<std::pair<SimGateway*, SessionIndex>, TimePoint> alone_since_;
    std::uint32_t steps_at_once_ = 0;
};

/// A connection of tunnel 0 between two gateways.
inline tunnel::ConnectionOptions connection(const SimGateway& self, const SimGateway& peer,
                                            tunnel::ConnectionRole role = tunnel::ConnectionRole::both) {
    tunnel::ConnectionOptions options;
    options.tunnel = TunnelIndex{0};
    options.name = "peer";
    options.local = self.address;
    options.remote = peer.address;
    options.role = role;
    return options;
}

inline tunnel::PseudowireOptions pseudowire(std::uint32_t index, std::string end_id) {
    tunnel::PseudowireOptions options;
    options.session = SessionIndex{index};
    options.tunnel = TunnelIndex{0};
    options.name = "session-" + end_id;
    options.remote_end_id = std::move(end_id);
    return options;
}

inline std::shared_ptr<const tunnel::ControlKeys> keys_with(
    std::shared_ptr<const tunnel::ControlDigest> digest, const std::vector<std::string>& secrets) {
    std::vector<SecretBytes> list;
    for (const auto& secret : secrets)
        list.emplace_back(Bytes(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()));
    return std::make_shared<tunnel::ControlKeys>(std::move(digest), list);
}

/// Two gateways, A and B, of tunnel 0 and `pseudowires` sessions; nothing started yet.
struct Pair {
    explicit Pair(std::uint64_t seed, std::uint32_t pseudowires = 1,
                  tunnel::ConnectionRole role_a = tunnel::ConnectionRole::both,
                  tunnel::ConnectionRole role_b = tunnel::ConnectionRole::both)
        : net(seed), a(net.add("192.0.2.1", seed * 2 + 1)), b(net.add("192.0.2.2", seed * 2 + 2)) {
        a.plan.self.router_id = 1;
        b.plan.self.router_id = 2;
        a.plan.self.host_name = "a.example";
        b.plan.self.host_name = "b.example";
        a.plan.connections.push_back(connection(a, b, role_a));
        b.plan.connections.push_back(connection(b, a, role_b));
        for (std::uint32_t i = 0; i < pseudowires; ++i)
            for (auto* gateway : {&a, &b})
                gateway->plan.pseudowires.push_back(pseudowire(i, "vlan-" + std::to_string(i)));
    }

    void start() {
        a.start(net.now);
        b.start(net.now);
        net.drain();
    }
    void reconfigure(SimGateway& gateway) {
        gateway.engine->configure(gateway.plan, net.now);
        net.drain();
    }
    /// Both ends have all sessions of both plans, and each has what the other sends.
    [[nodiscard]] bool converged() const {
        const std::size_t wanted = a.plan.pseudowires.size();
        return a.sessions.size() == wanted && b.sessions.size() == wanted && agree();
    }
    [[nodiscard]] bool agree() const {
        return have_the_same_ids() &&
               std::all_of(a.sessions.begin(), a.sessions.end(), [this](const auto& entry) {
                   const auto& x = entry.second.options;
                   const auto& y = b.sessions.at(entry.first).options;
                   return x.local_cookie == y.remote_cookie && x.remote_cookie == y.local_cookie &&
                          x.receive_sublayer == y.send_sublayer && x.send_sublayer == y.receive_sublayer;
               });
    }
    /// All that can be asked for if messages were changed on their way: without a digest nobody notices another cookie.
    [[nodiscard]] bool have_the_same_ids() const {
        return std::all_of(a.sessions.begin(), a.sessions.end(), [this](const auto& entry) {
            const auto at = b.sessions.find(entry.first);
            return at != b.sessions.end() && entry.second.options.local_id == at->second.options.remote_id &&
                   entry.second.options.remote_id == at->second.options.local_id;
        });
    }
    bool run_until_converged(Duration limit) {
        return net.run_until([this] { return converged(); }, limit);
    }

    ControlNet net;
    SimGateway& a;
    SimGateway& b;
};

}  // namespace isthmus::test
