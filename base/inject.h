// From the control thread down to a worker: packets of the control planes that go out with the data (base/punt.h is the way
// up). One ring a class, so that one class cannot starve another.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/counters.h"
#include "base/ids.h"
#include "base/spsc_ring.h"

namespace isthmus {

enum class InjectClass : std::uint8_t {
    l2tp_control,  ///< an L2TPv3 control message for a tunnel, from its first word on
    liveness,      ///< a message of a session's channel (RFC 5085), from its channel word on
    guard,         ///< an Ethernet frame for a session: loop probes, guards' messages to each other
};
inline constexpr std::size_t kInjectClassCount = 3;
[[nodiscard]] constexpr std::string_view name_of(InjectClass c) noexcept {
    constexpr std::array<std::string_view, kInjectClassCount> kNames{"l2tp_control", "liveness", "guard"};
    return kNames[static_cast<std::size_t>(c)];
}

/// A whole packet and where it goes. Larger than kMaxSize cannot be injected and counts as overflow.
struct InjectMessage {
    static constexpr std::size_t kMaxSize = 2048;
    TunnelIndex tunnel = kNoTunnel;
    SessionIndex session = kNoSession;  ///< none for l2tp_control
    std::uint16_t size = 0;
    std::array<std::uint8_t, kMaxSize> bytes;

    [[nodiscard]] Bytes data() const noexcept { return {bytes.data(), size}; }
};

/// The rings of one worker. Each side is one thread.
class InjectRings {
  public:
    static constexpr std::size_t kDepth = 256;

    /// Producer. False: the ring of that class is full or the packet too large; counted.
    [[nodiscard]] bool offer(InjectClass c, TunnelIndex tunnel, SessionIndex session, Bytes packet) noexcept {
        auto& lane = lanes_[static_cast<std::size_t>(c)];
        InjectMessage* slot = packet.size() <= InjectMessage::kMaxSize ? lane.ring.claim() : nullptr;
        if (slot == nullptr) {
            lane.overflows.add();
            return false;
        }
        slot->tunnel = tunnel;
        slot->session = session;
        slot->size = static_cast<std::uint16_t>(packet.size());
        std::copy(packet.begin(), packet.end(), slot->bytes.begin());
        lane.ring.publish();
        return true;
    }

    /// Consumer: calls f(InjectClass, const InjectMessage&) for up to `budget` messages of each class.
    template <class F>
    void drain(std::size_t budget, F&& f) {
        for (std::size_t c = 0; c < kInjectClassCount; ++c) {
            auto& ring = lanes_[c].ring;
            for (std::size_t n = 0; n < budget; ++n) {
                const InjectMessage* message = ring.front();
                if (message == nullptr) break;
                f(static_cast<InjectClass>(c), *message);
                ring.pop();
            }
        }
    }
    [[nodiscard]] std::uint64_t overflows(InjectClass c) const noexcept {
        return lanes_[static_cast<std::size_t>(c)].overflows.read();
    }

  private:
    struct Lane {
        SpscRing<InjectMessage> ring{kDepth};
        Counter overflows;
    };
    std::array<Lane, kInjectClassCount> lanes_;
};

}  // namespace isthmus
