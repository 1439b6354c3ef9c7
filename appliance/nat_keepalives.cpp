#include "appliance/nat_keepalives.h"

#include <array>
#include <utility>

#include "crypto/esp/udp4500.h"

namespace isthmus::appliance {

void NatKeepalives::run(const Tunnels& tunnels, Injector& injector, TimePoint now) {
    for (TunnelControl& tunnel : tunnels) {
        const auto& outbound = tunnel.sas().outbound();
        const auto socket = tunnel.outbound_socket();
        if (!outbound || outbound->keepalive_seconds == 0 || !outbound->way.in_udp || !socket) continue;
        Memory& memory = tunnels_[tunnel.index()];
        if (now < memory.due) continue;
        memory.due = now + std::chrono::seconds(outbound->keepalive_seconds);
        const std::uint64_t sent = outbound->sa->counters().packets.read();
        if (std::exchange(memory.sent_before, sent) != sent) continue;
        static constexpr std::array<std::uint8_t, 1> kKeepalive{crypto::esp::kNatKeepalive};
        if (injector.datagram(*socket, outbound->way.remote, kKeepalive) == DropReason::none)
            tunnel.count_keepalive();
    }
}

}  // namespace isthmus::appliance
