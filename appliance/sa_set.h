// The SAs of one tunnel, as control has them: one to send with, any number to receive with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "crypto/esp/inbound_sa.h"
#include "crypto/esp/options.h"
#include "crypto/esp/outbound_sa.h"

namespace isthmus::appliance {

/// Between which endpoints ESP packets go, and how. Ports are 0 unless in_udp.
struct EspWay {
    bool in_udp = true;  ///< RFC 3948; else IP protocol 50
    Endpoint local;
    Endpoint remote;
    friend bool operator==(const EspWay&, const EspWay&) = default;
};

struct InboundUse {
    std::shared_ptr<crypto::esp::InboundSa> sa;
    crypto::esp::Mode mode = crypto::esp::Mode::transport;
    /// The peer behind a NAT may move: packets that authenticate from elsewhere than the way's remote are punted as
    /// peer_moved. False: not looked at.
    bool follow_peer = false;
    bool tell_first =
        false;  ///< its first authentic packet is punted as first_packet: the peer has taken the new keys
};

struct OutboundUse {
    std::shared_ptr<crypto::esp::OutboundSa> sa;
    crypto::esp::Mode mode = crypto::esp::Mode::transport;
    EspWay way;
    std::uint32_t keepalive_seconds =
        0;  ///< NAT keepalives (RFC 3948 section 4) where nothing else is sent; 0: none
};

/// How far an SA has come.
struct SaUsage {
    Spi spi{};
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;              ///< of payload
    std::uint64_t sequence = 0;           ///< last used, or highest accepted
    std::optional<TimePoint> last_heard;  ///< inbound: when the last new packet was authentic
};

class SaSet {
  public:
    /// Receives with it from the next publication on, beside those that are there. Error: its SPI is there already.
    [[nodiscard]] Result<void, std::string> install(InboundUse use);
    /// Sends with it from the next publication on, and with nothing else. The one before takes no packet after that.
    void use(OutboundUse use);
    /// The way of the outbound SA: another remote address or port, another encapsulation. Nothing without an SA.
    void reroute(const EspWay& way);
    /// Stops receiving with it. False: not there.
    bool retire(Spi inbound);
    /// No SA at all: packets of the tunnel are dropped in both directions (esp_no_sa, esp_unknown_spi).
    void clear();

    [[nodiscard]] const std::vector<InboundUse>& inbound() const noexcept { return inbound_; }
    [[nodiscard]] const std::optional<OutboundUse>& outbound() const noexcept { return outbound_; }
    [[nodiscard]] bool has_inbound(Spi spi) const noexcept;
    [[nodiscard]] std::optional<SaUsage> usage_of_outbound() const;
    [[nodiscard]] std::optional<SaUsage> usage_of_inbound(Spi spi) const;
    /// An SA stopped itself because of a bug of ours (see OutboundSa::stopped_by_bug).
    [[nodiscard]] bool stopped_by_bug() const noexcept;
    /// Grows with every change.
    [[nodiscard]] std::uint64_t revision() const noexcept { return revision_; }

  private:
    std::vector<InboundUse> inbound_;
    std::optional<OutboundUse> outbound_;
    std::uint64_t revision_ = 0;
};

}  // namespace isthmus::appliance
