// The ESP SAs that IKE has agreed on, in the tunnels that they protect.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "appliance/inventory.h"
#include "appliance/logging.h"
#include "base/rng.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/engine.h"

namespace isthmus::appliance {

/// A peer, its child and the tunnel have one name.
class IkePairs {
  public:
    IkePairs(Tunnels& tunnels, Providers& providers, Rng& rng, Logger log)
        : tunnels_(tunnels), providers_(providers), rng_(rng), log_(std::move(log)) {}

    void on_up(crypto::ike::ChildUp& up);
    void on_use(const crypto::ike::UseOutbound& use);
    void on_down(const crypto::ike::ChildDown& down);
    void on_moved(const crypto::ike::PathMoved& moved);

    /// What has gone through each pair, by its inbound SPI.
    [[nodiscard]] std::map<Spi, crypto::ike::SaUsage> usage() const;
    [[nodiscard]] std::optional<crypto::ike::SaUsage> usage_of(Spi inbound) const;

  private:
    struct Pair {
        std::string tunnel;
        std::shared_ptr<crypto::esp::InboundSa> inbound;
        OutboundUse outbound;
    };
    void send_with(TunnelControl& tunnel, const Pair& pair);
    [[nodiscard]] crypto::ike::SaUsage usage_of(const Pair& pair) const;

    Tunnels& tunnels_;
    Providers& providers_;
    Rng& rng_;
    Logger log_;
    std::map<Spi, Pair> pairs_;
};

[[nodiscard]] EspWay way_of(const crypto::ike::EspPath& path);

}  // namespace isthmus::appliance
