// What control tells the workers: immutable, published as a whole, kept alive by whoever still uses it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/counters.h"
#include "base/ids.h"
#include "bridge/io/tap.h"
#include "crypto/esp/open_stage.h"
#include "crypto/esp/seal_stage.h"
#include "stp-guard/admission_stage.h"
#include "tunnel/inner_ip.h"
#include "tunnel/inner_udp.h"
#include "tunnel/io/peer_table.h"
#include "tunnel/io/wan_socket.h"
#include "tunnel/offload/mss_clamp.h"
#include "tunnel/session_table.h"

namespace isthmus::appliance {

/// What both directions need.
struct CommonView {
    std::shared_ptr<const tunnel::SessionTable> sessions;    ///< never null
    std::shared_ptr<const tunnel::InnerUdpTable> inner_udp;  ///< never null
    std::shared_ptr<const tunnel::InnerIpTable> inner_ip;    ///< of this direction, never null
    std::shared_ptr<const stp_guard::AdmissionTable> admission;
    std::shared_ptr<const tunnel::MssClampStage::Table> mss_limits;
    std::vector<TrafficCounters*> tunnel_drops;            ///< of this direction, by TunnelIndex
    std::vector<TrafficCounters*> session_drops;           ///< by SessionIndex
    std::vector<std::shared_ptr<TrafficCounters>> owners;  ///< of all counters that this view points to
};

/// One session's way to the bridge.
struct LanPort {
    std::shared_ptr<bridge::Tap> tap;
    SessionIndex session = kNoSession;
    TunnelIndex tunnel = kNoTunnel;
    friend bool operator==(const LanPort&, const LanPort&) = default;
};

/// A socket and the peers that are reached through it.
struct WanPort {
    std::shared_ptr<tunnel::io::WanSocket> socket;
    std::shared_ptr<const tunnel::io::PeerTable> peers;
};

/// Which socket a tunnel uses; nullopt: none yet.
struct TunnelWay {
    std::optional<std::size_t> wan;  ///< index into OutboundView::wan
    bool is_protected = true;
    std::uint8_t l2tp_next_header = 0;       ///< of control messages: 17 or 115
    std::uint8_t control_traffic_class = 0;  ///< DSCP and ECN of control messages
};

/// LAN to WAN.
struct OutboundView : CommonView {
    std::vector<LanPort> lan;
    std::vector<WanPort> wan;
    std::vector<TunnelWay> tunnels;  ///< by TunnelIndex
    std::shared_ptr<const crypto::esp::OutboundTable> sas;
};

/// WAN to LAN.
struct InboundView : CommonView {
    std::vector<std::shared_ptr<bridge::Tap>> taps;  ///< by SessionIndex; null: none
    std::vector<WanPort> wan;
    std::vector<bool> wan_is_protected;  ///< as long as wan: whether ESP is expected there
    std::shared_ptr<const crypto::esp::InboundTable> sas;
};

}  // namespace isthmus::appliance
