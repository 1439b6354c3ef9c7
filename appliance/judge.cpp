#include "appliance/judge.h"

#include <algorithm>

namespace isthmus::appliance {

namespace {

Condition of_port(const SessionControl& session, const bridge::Report& bridges) {
    const bridge::PortReport* port = bridges.port(session.config().interface);
    if (port == nullptr) return {RunState::waiting, "bridge " + session.bridge() + " has no port for it yet"};
    if (port->state.word == bridge::StateWord::up) return {RunState::up, ""};
    const bool waits = port->state.word == bridge::StateWord::waiting;
    return {waits ? RunState::waiting : RunState::down, port->state.reason};
}

}  // namespace

Condition judge(const SessionControl& session, const Tunnels& tunnels, const bridge::Report& bridges) {
    if (!session.tap()) return session.condition;
    if (session.config().standby)
        return {RunState::blocked, "standby of redundancy group " + session.config().redundancy.value_or("")};
    if (Condition port = of_port(session, bridges); !port.is_up()) return port;
    const TunnelControl& tunnel = tunnels[session.tunnel()];
    const Condition carrier = tunnel.condition();
    if (!carrier.is_up())
        return {carrier.state,
                "tunnel " + tunnel.config().name + " is " + std::string(name_of(carrier.state))};
    return session.pseudowire_condition();
}

Condition attachment_of(const SessionControl& session, const bridge::Report& bridges) {
    const bridge::BridgeReport* bridge = bridges.bridge(session.bridge());
    if (bridge == nullptr) return {RunState::waiting, "bridge " + session.bridge() + " is not there yet"};
    if (bridge->state.word == bridge::StateWord::waiting || bridge->state.word == bridge::StateWord::conflict)
        return {RunState::down, "bridge " + bridge->name + ": " + bridge->state.reason};
    const auto is_physical = [](const bridge::PortReport& p) { return !p.tap; };
    const auto carries = [](const bridge::PortReport& p) { return p.state.word == bridge::StateWord::up; };
    if (std::none_of(bridge->ports.begin(), bridge->ports.end(), is_physical)) return {RunState::up, ""};
    const bool any = std::any_of(bridge->ports.begin(), bridge->ports.end(),
                                 [&](const bridge::PortReport& p) { return is_physical(p) && carries(p); });
    if (any) return {RunState::up, ""};
    return {RunState::down, "no physical port of bridge " + bridge->name + " is up"};
}

}  // namespace isthmus::appliance
