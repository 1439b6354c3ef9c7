// Which gateways are seen in which VLAN and site: proposals for dual-gateway mode, and the alarm that one address answers in both.
// Pure: fed with copies of gateways' frames and with what peers report.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"
#include "stp-guard/direction.h"
#include "stp-guard/frame_class.h"

namespace isthmus::stp_guard {

enum class GatewayEvidence : std::uint8_t { hsrp, vrrp, glbp, router_advertisement, dhcp_server, querier };
[[nodiscard]] std::string_view name_of(GatewayEvidence evidence) noexcept;

struct SeenGateway {
    std::uint16_t vid = 0;
    IpAddress address;  ///< the virtual one where the protocol names it, else the sender's
    MacAddress mac;     ///< the frame's source
    GatewayEvidence evidence = GatewayEvidence::vrrp;
    bool lan = false;     ///< seen on our LAN
    bool tunnel = false;  ///< seen coming out of a tunnel, or reported by a peer
    TimePoint last_seen{};
};

/// The same address is a gateway's in both sites.
struct TwoGateways {
    std::uint16_t vid = 0;
    IpAddress address;
};

/// What a frame says of a gateway; a VRRP advertisement may name several addresses, of which up to 20 are taken (RFC 5798 section
/// 5.2, RFC 2281 section 5). Empty: nothing, or cut off.
[[nodiscard]] std::vector<SeenGateway> gateways_in(Bytes frame, const FrameClass& kind);

class GatewayObserver {
  public:
    static constexpr std::size_t kMost = 4'096;

    void on_frame(const SeenAt& at, Bytes frame, TimePoint now);
    void on_timeout(TimePoint now);  ///< forgets what was silent for an hour
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<TwoGateways> poll_event();
    [[nodiscard]] std::vector<SeenGateway> seen() const;

  private:
    struct Key {
        std::uint16_t vid;
        IpAddress address;
        GatewayEvidence evidence;
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    std::map<Key, SeenGateway> seen_;
    std::deque<TwoGateways> events_;
};

}  // namespace isthmus::stp_guard
