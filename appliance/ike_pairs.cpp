#include "appliance/ike_pairs.h"

#include <algorithm>

namespace isthmus::appliance {

using namespace crypto;
using crypto::ike::EspPath;

EspWay way_of(const EspPath& path) {
    return {path.in_udp, path.local, path.remote};
}

void IkePairs::on_up(ike::ChildUp& up) {
    TunnelControl* tunnel = tunnels_.named(up.child);
    if (tunnel == nullptr) return;
    // Keys of their own, that die with the process: all sequence numbers may be used.
    auto outbound = esp::OutboundSa::create(up.outbound, {}, *providers_.outbound, rng_);
    auto inbound = esp::InboundSa::create(up.inbound, 0, *providers_.inbound);
    if (!outbound || !inbound) {
        log_->error("tunnel {}: {}", up.child, outbound ? inbound.error() : outbound.error());
        return;
    }
    Pair pair;
    pair.tunnel = up.child;
    pair.inbound = std::move(*inbound);
    // Keepalives are the IKE engine's: it knows on which side the NAT is.
    pair.outbound = {std::move(*outbound), up.mode, way_of(up.path), 0};
    InboundUse use{pair.inbound, up.mode, up.path.in_udp, true};
    if (const auto installed = tunnel->sas().install(std::move(use)); !installed) {
        log_->error("tunnel {}: {}", up.child, installed.error());
        return;
    }
    const Pair& added = pairs_.insert_or_assign(up.inbound.spi, std::move(pair)).first->second;
    if (up.use_outbound) send_with(*tunnel, added);
}

void IkePairs::on_use(const ike::UseOutbound& use) {
    const auto pair = pairs_.find(use.inbound);
    if (pair == pairs_.end()) return;
    if (TunnelControl* tunnel = tunnels_.named(pair->second.tunnel)) send_with(*tunnel, pair->second);
}

void IkePairs::on_down(const ike::ChildDown& down) {
    const auto found = pairs_.find(down.inbound);
    if (found == pairs_.end()) return;
    const Pair pair = std::move(found->second);
    pairs_.erase(found);
    TunnelControl* tunnel = tunnels_.named(pair.tunnel);
    if (tunnel == nullptr) return;
    (void)tunnel->sas().retire(down.inbound);
    const bool was_last =
        std::ranges::none_of(pairs_, [&](const auto& entry) { return entry.second.tunnel == pair.tunnel; });
    if (was_last) tunnel->sas().clear();
}

void IkePairs::on_moved(const ike::PathMoved& moved) {
    for (const Spi inbound : moved.inbound) {
        const auto found = pairs_.find(inbound);
        if (found == pairs_.end()) continue;
        Pair& pair = found->second;
        pair.outbound.way = way_of(moved.path);
        TunnelControl* tunnel = tunnels_.named(pair.tunnel);
        const bool sends =
            tunnel != nullptr && tunnel->sas().outbound() && tunnel->sas().outbound()->sa == pair.outbound.sa;
        if (sends) send_with(*tunnel, pair);
    }
}

void IkePairs::send_with(TunnelControl& tunnel, const Pair& pair) {
    tunnel.sas().use(pair.outbound);
    // A peer whose address the configuration leaves open is where its keys lead.
    if (!tunnel.config().options.remote.is_unspecified()) return;
    tunnel::TunnelOptions options = tunnel.options();
    options.remote = pair.outbound.way.remote.address;
    tunnel.set_options(options);
}

std::map<Spi, ike::SaUsage> IkePairs::usage() const {
    std::map<Spi, ike::SaUsage> all;
    for (const auto& [spi, pair] : pairs_) all[spi] = usage_of(pair);
    return all;
}

std::optional<ike::SaUsage> IkePairs::usage_of(Spi inbound) const {
    const auto found = pairs_.find(inbound);
    if (found == pairs_.end()) return std::nullopt;
    return usage_of(found->second);
}

ike::SaUsage IkePairs::usage_of(const Pair& pair) const {
    const TrafficCounters& in = pair.inbound->counters();
    const TrafficCounters& out = pair.outbound.sa->counters();
    return {in.packets.read(), in.bytes.read(), out.packets.read(), out.bytes.read(),
            pair.inbound->last_heard()};
}

}  // namespace isthmus::appliance
