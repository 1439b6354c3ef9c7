// From a worker up to the control thread: packets that are for the control planes (base/inject.h is the way down).
// One ring a class, so that one class cannot starve another.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/address.h"
#include "base/bytes.h"
#include "base/counters.h"
#include "base/ids.h"
#include "base/spsc_ring.h"

namespace isthmus {

enum class PuntClass : std::uint8_t {
    ike,
    /// A message of an L2TPv3 control connection that lives, by its id.
    l2tp_control,
    bpdu,
    arp,
    probe,
    /// An authentic ESP packet came from elsewhere than its peer was known to be (RFC 7296 section 2.23): path, and
    /// path.authenticated_by; no bytes.
    peer_moved,
    /// The first authentic ESP packet of an SA: path, and path.authenticated_by; no bytes.
    first_packet,
    /// An ESP packet of no SA: path, and the packet's first bytes from the SPI on. Rate limited; anybody can send one.
    unknown_spi,
    /// A message of a pseudowire's channel (RFC 5085): session, and the message from its channel word on.
    channel,
    /// The first bytes of a frame that came round again and again: a unicast frame that was dropped for it, or one to a group.
    circling,
    /// The first bytes of a unicast frame that takes another way than flooded ones do: through a session whose VLAN is blocked, or for
    /// a host behind another session of a split-horizon group. Once a moment for each host.
    stray_unicast,
    /// Any other L2TPv3 control message (requests for connections have no id yet), through a tunnel's SA or in the clear
    /// from the address of a tunnel's peer, which anybody can forge. Rate limited.
    l2tp_request,
    /// The same from elsewhere. Rate limited.
    l2tp_stranger,
};
inline constexpr std::size_t kPuntClassCount = 13;
[[nodiscard]] constexpr std::string_view name_of(PuntClass c) noexcept {
    constexpr std::array<std::string_view, kPuntClassCount> kNames{
        "ike",           "l2tp_control", "bpdu",         "arp",     "probe",
        "peer_moved",    "first_packet", "unknown_spi",  "channel", "circling",
        "stray_unicast", "l2tp_request", "l2tp_stranger"};
    return kNames[static_cast<std::size_t>(c)];
}

/// A whole packet and how it came. Larger than kMaxSize cannot be punted and counts as overflow.
struct PuntMessage {
    static constexpr std::size_t kMaxSize = 4096;
    TunnelIndex tunnel = kNoTunnel;
    SessionIndex session = kNoSession;
    Path path;
    std::uint16_t size = 0;
    std::array<std::uint8_t, kMaxSize> bytes;

    [[nodiscard]] Bytes data() const noexcept { return {bytes.data(), size}; }
};

/// The rings of one direction of one worker. Each side is one thread.
class PuntRings {
  public:
    static constexpr std::size_t kDepth = 64;

    /// Producer. False: the ring of that class is full or the packet too large; counted, and the caller drops it.
    [[nodiscard]] bool offer(PuntClass c, TunnelIndex tunnel, SessionIndex session, const Path& path,
                             Bytes packet) noexcept {
        auto& lane = lanes_[static_cast<std::size_t>(c)];
        PuntMessage* slot = packet.size() <= PuntMessage::kMaxSize ? lane.ring.claim() : nullptr;
        if (slot == nullptr) {
            lane.overflows.add();
            return false;
        }
        slot->tunnel = tunnel;
        slot->session = session;
        slot->path = path;
        slot->size = static_cast<std::uint16_t>(packet.size());
        std::copy(packet.begin(), packet.end(), slot->bytes.begin());
        lane.ring.publish();
        offered_ = true;
        return true;
    }
    /// Producer: one that the caller did not even offer, since there were too many of its class; counted as if it had found
    /// no room.
    void refuse(PuntClass c) noexcept { lanes_[static_cast<std::size_t>(c)].overflows.add(); }
    /// Producer: whether anything was put in since the last call, so that the consumer is called once for many.
    [[nodiscard]] bool take_offered() noexcept { return std::exchange(offered_, false); }

    /// Consumer: calls f(PuntClass, const PuntMessage&) for up to `budget` messages of each class.
    template <class F>
    void drain(std::size_t budget, F&& f) {
        for (std::size_t c = 0; c < kPuntClassCount; ++c) {
            auto& ring = lanes_[c].ring;
            for (std::size_t n = 0; n < budget; ++n) {
                const PuntMessage* message = ring.front();
                if (message == nullptr) break;
                f(static_cast<PuntClass>(c), *message);
                ring.pop();
            }
        }
    }
    [[nodiscard]] std::uint64_t overflows(PuntClass c) const noexcept {
        return lanes_[static_cast<std::size_t>(c)].overflows.read();
    }

  private:
    struct Lane {
        SpscRing<PuntMessage> ring{kDepth};
        Counter overflows;
    };
    std::array<Lane, kPuntClassCount> lanes_;
    bool offered_ = false;  // the producer's own
};

}  // namespace isthmus
