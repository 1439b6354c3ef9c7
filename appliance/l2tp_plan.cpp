#include "appliance/l2tp_plan.h"

#include <utility>

#include "tunnel/vccv.h"

namespace isthmus::appliance {

namespace {

using tunnel::VccvCapability;

tunnel::ConnectionOptions connection_of(const config::TunnelConfig& config, const PlanPlaces& places,
                                        const std::shared_ptr<const tunnel::ControlDigest>& digest) {
    const config::ControlConfig& control = *config.control;
    tunnel::ConnectionOptions out;
    out.tunnel = places.tunnel(config.name);
    out.name = config.name;
    out.encapsulation = config.options.encapsulation;
    out.local = config.options.local;
    out.local_port = config.options.local_port;
    out.remote_port = config.options.remote_port;
    out.remote_name = config.remote_name;
    if (!config.any_remote && config.remote_name.empty()) out.remote = config.options.remote;
    out.role = control.role;
    out.is_protected = config.is_protected();
    out.peer_host_name = control.peer_hostname;
    if (!control.secrets.empty()) out.keys = std::make_shared<tunnel::ControlKeys>(digest, control.secrets);
    out.digest = control.digest;
    out.hide_avps = control.hide_avps;
    out.tolerated = control.tolerated;
    out.hello_interval = std::chrono::seconds(control.hello_seconds);
    out.receive_window = control.receive_window;
    return out;
}

tunnel::PseudowireOptions pseudowire_of(const config::SessionConfig& config, const config::Configuration& all,
                                        const PlanPlaces& places) {
    const config::NegotiationConfig& negotiation = *config.negotiation;
    tunnel::PseudowireOptions out;
    out.session = places.session(config.name);
    out.tunnel = places.tunnel(all.tunnels[config.tunnel].name);
    out.name = config.name;
    out.remote_end_id = negotiation.end_id;
    out.type = config.options.type;
    out.access_vlan = config.options.access_vlan;
    out.cookie_size = negotiation.cookie_size;
    out.receive_sublayer = config.options.receive_sublayer;
    out.receive_sequencing = config.options.receive_sequencing;
    out.cookie_rotation = std::chrono::seconds(negotiation.cookie_rotation_seconds);
    const std::uint8_t bfd = negotiation.liveness ? VccvCapability::kBfd : std::uint8_t{0};
    if (config.options.receive_sublayer == tunnel::Sublayer::standard && bfd != 0)
        out.vccv = VccvCapability{VccvCapability::kSublayerChannel, bfd};
    out.channel = VccvCapability{VccvCapability::kSublayerChannel,
                                 static_cast<std::uint8_t>(bfd | VccvCapability::kEcho)};
    return out;
}

}  // namespace

tunnel::ControlPlan control_plan(const config::Configuration& configuration, const PlanPlaces& places,
                                 std::shared_ptr<const tunnel::ControlDigest> digest,
                                 tunnel::GatewayIdentity self) {
    tunnel::ControlPlan out;
    out.self = std::move(self);
    out.self.host_name = configuration.gateway.name;
    out.self.router_id = router_id_of(configuration);
    for (const config::TunnelConfig& tunnel : configuration.tunnels)
        if (tunnel.control) out.connections.push_back(connection_of(tunnel, places, digest));
    for (const config::SessionConfig& session : configuration.sessions) {
        if (session.negotiation) {
            out.pseudowires.push_back(pseudowire_of(session, configuration, places));
        } else {
            out.reserved.push_back(session.options.local_id);
        }
    }
    return out;
}

std::uint32_t router_id_of(const config::Configuration& configuration) {
    if (configuration.gateway.router_id) return *configuration.gateway.router_id;
    for (const config::TunnelConfig& tunnel : configuration.tunnels)
        if (tunnel.options.local.is_v4() && !tunnel.options.local.is_unspecified())
            return load_be32(tunnel.options.local.bytes().data());
    std::uint32_t hash = 0x811c'9dc5;  // FNV-1a: the same after each start
    for (const char c : configuration.gateway.name)
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x0100'0193;
    return hash | 1;
}

}  // namespace isthmus::appliance
