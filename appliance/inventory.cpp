#include "appliance/inventory.h"

#include <algorithm>
#include <utility>

namespace isthmus::appliance {

namespace {

using config::Configuration;

/// A part of a configuration that keeps the whole alive.
template <class Part>
std::shared_ptr<const Part> part_of(const std::shared_ptr<const Configuration>& whole, const Part& part) {
    return {whole, &part};
}

template <class Parts>
auto find_named(const Parts& parts, const std::string& name) -> decltype(&parts.front()) {
    const auto found =
        std::find_if(parts.begin(), parts.end(), [&](const auto& p) { return p.name == name; });
    return found == parts.end() ? nullptr : &*found;
}

const config::BridgeConfig* find_bridge(const Configuration& in, const std::string& name) {
    for (const auto& bridge : in.bridges)
        if (bridge.options.name == name) return &bridge;
    return nullptr;
}

/// Names of what is not needed any more; collected first, since removing changes what is walked over.
template <class Objects, class Parts>
auto gone_from(const Objects& objects, const Parts& parts) {
    std::vector<decltype((*objects.begin()).index())> gone;
    for (const auto& object : objects)
        if (find_named(parts, object.config().name) == nullptr) gone.push_back(object.index());
    return gone;
}

}  // namespace

std::vector<std::string> Inventory::apply(std::shared_ptr<const Configuration> next) {
    Notes notes;
    note_bridges(*next, notes);
    remove_sessions(*next, notes);
    apply_tunnels(next, notes);
    apply_sessions(next, notes);
    remove_tunnels(*next, notes);
    configuration_ = std::move(next);
    return notes;
}

void Inventory::apply_tunnels(const std::shared_ptr<const Configuration>& next, Notes& notes) {
    for (const auto& wanted : next->tunnels) {
        TunnelControl* tunnel = tunnels.named(wanted.name);
        if (tunnel == nullptr) {
            tunnels.add([&](TunnelIndex index) {
                return std::make_unique<TunnelControl>(part_of(next, wanted), index);
            });
            notes.push_back("tunnel " + wanted.name + " added");
        } else if (tunnel->config() == wanted) {
            tunnel->refer_to(part_of(next, wanted));
        } else {
            tunnel->reconfigure(part_of(next, wanted));
            notes.push_back("tunnel " + wanted.name + " changed");
        }
    }
}

void Inventory::apply_sessions(const std::shared_ptr<const Configuration>& next, Notes& notes) {
    for (const auto& wanted : next->sessions) {
        const std::string& bridge = next->bridges[wanted.bridge].options.name;
        const TunnelIndex tunnel = tunnels.named(next->tunnels[wanted.tunnel].name)->index();
        SessionControl* session = sessions.named(wanted.name);
        if (session == nullptr) {
            sessions.add([&](SessionIndex index) {
                return std::make_unique<SessionControl>(part_of(next, wanted), bridge, tunnel, index,
                                                        next_incarnation_++);
            });
            notes.push_back("session " + wanted.name + " added");
        } else if (says_the_same(session->config(), *configuration_, wanted, *next)) {
            session->refer_to(part_of(next, wanted));
        } else {
            dying_taps_.push_back(session->tap());
            session->reconfigure(part_of(next, wanted), bridge, tunnel, next_incarnation_++);
            notes.push_back("session " + wanted.name + " changed");
        }
    }
}

void Inventory::remove_sessions(const Configuration& next, Notes& notes) {
    for (const SessionIndex index : gone_from(sessions, next.sessions)) {
        SessionControl& session = sessions[index];
        notes.push_back("session " + session.config().name + " removed");
        dying_taps_.push_back(session.tap());
        remember_drops(*session.out);
        remember_drops(*session.in);
        sessions.remove(index);
    }
}

void Inventory::remove_tunnels(const Configuration& next, Notes& notes) {
    for (const TunnelIndex index : gone_from(tunnels, next.tunnels)) {
        TunnelControl& tunnel = tunnels[index];
        notes.push_back("tunnel " + tunnel.config().name + " removed");
        remember_drops(*tunnel.out);
        remember_drops(*tunnel.in);
        tunnels.remove(index);
    }
}

void Inventory::note_bridges(const Configuration& next, Notes& notes) const {
    for (const auto& wanted : next.bridges) {
        const auto* known = find_bridge(*configuration_, wanted.options.name);
        if (known == nullptr)
            notes.push_back("bridge " + wanted.options.name + " added");
        else if (!(*known == wanted))
            notes.push_back("bridge " + wanted.options.name + " changed");
    }
    for (const auto& known : configuration_->bridges)
        if (find_bridge(next, known.options.name) == nullptr)
            notes.push_back("bridge " + known.options.name + " removed");
}

void Inventory::remember_drops(const TrafficCounters& gone) {
    for (std::size_t i = 0; i < kDropReasonCount; ++i) of_the_gone.drops[i].add(gone.drops[i].read());
}

void Inventory::bury_taps() {
    // A session that kept its TAP holds it too; so do the workers until they have taken their new view.
    const auto is_dead = [](const std::shared_ptr<bridge::Tap>& tap) { return tap.use_count() <= 1; };
    const auto is_kept = [&](const std::shared_ptr<bridge::Tap>& tap) {
        return sessions.find_if([&](const SessionControl& s) { return s.tap() == tap; }) != nullptr;
    };
    std::erase_if(dying_taps_, [&](const auto& tap) { return !tap || is_dead(tap) || is_kept(tap); });
}

bool says_the_same(const config::SessionConfig& a, const Configuration& of_a, const config::SessionConfig& b,
                   const Configuration& of_b) {
    if (of_a.tunnels[a.tunnel].name != of_b.tunnels[b.tunnel].name) return false;
    if (of_a.bridges[a.bridge].options.name != of_b.bridges[b.bridge].options.name) return false;
    config::SessionConfig a_in_b = a;
    a_in_b.tunnel = b.tunnel;
    a_in_b.bridge = b.bridge;
    return a_in_b == b;
}

}  // namespace isthmus::appliance
