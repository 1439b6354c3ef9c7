// Two TAPs in namespaces of the test's own, and what a gateway does between them but for the tunnel.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "bridge/io/tap.h"
#include "tests/bridge/private_namespace.h"
#include "tunnel/offload/coalescer.h"
#include "tunnel/offload/mss_clamp.h"
#include "tunnel/offload/segmenter.h"

namespace isthmus::test {

inline constexpr tunnel::MssLimits kRelayMss{1200, 1180};

/// One direction between two TAPs.
class Relay final : public tunnel::FrameSink {
  public:
    Relay(bridge::Tap& from, bridge::Tap& to) : from_(from), to_(to) {
        clamp_.set_limits(
            std::make_shared<const tunnel::MssClampStage::Table>(tunnel::MssClampStage::Table{kRelayMss}));
    }

    void pump() {
        bool more = true;
        while (more) {
            for (int n = 0; more && n < 16; ++n) more = read_one();
            flush();
        }
    }
    /// Reads all that is there; what may be merged with what comes later is held until flush().
    void read() {
        while (read_one()) {
        }
    }
    void flush() {
        pass_on();
        coalescer_.flush(*this);
    }
    void on_frame(const tunnel::GatheredFrame& frame) noexcept override {
        if (to_.write(frame.offload, frame.pieces) != DropReason::none) ++refused;
        ++writes;
        largest_run = std::max<std::size_t>(largest_run, frame.packets);
    }
    [[nodiscard]] const tunnel::MssClampStage& clamp() const { return clamp_; }

    std::size_t big_reads = 0;
    std::size_t segments = 0;
    std::size_t largest_segment = 0;
    std::size_t writes = 0;
    std::size_t refused = 0;
    std::size_t largest_run = 0;

  private:
    bool read_one() {
        auto slot = slots_.allocate(kHead);
        auto large = blocks_.allocate(kHead + slot->tailroom());
        const auto outcome = from_.read(*slot, *large);
        if (outcome == bridge::Tap::Read::refused) ++refused;
        if (outcome != bridge::Tap::Read::in_slot && outcome != bridge::Tap::Read::in_large)
            return outcome == bridge::Tap::Read::refused;
        PacketBuffer frame = outcome == bridge::Tap::Read::in_slot ? std::move(*slot) : std::move(*large);
        frame.meta.session = SessionIndex{0};
        if (frame.meta.offload.kind != Offload::Kind::none) ++big_reads;
        if (segmenter_.start(std::move(frame)) != DropReason::none) {
            ++refused;
            return true;
        }
        while (segmenter_.busy()) {
            segmenter_.fill(batch_);
            if (segmenter_.busy()) pass_on();
        }
        return true;
    }
    void pass_on() {
        clamp_.process(batch_, {});
        segments += batch_.size();
        for (const auto& packet : batch_) largest_segment = std::max(largest_segment, packet.size());
        coalescer_.add(batch_, *this);
    }

    static constexpr std::size_t kHead = 128;

    bridge::Tap& from_;
    bridge::Tap& to_;
    PacketPool slots_{2048, 1024};
    PacketPool blocks_{70'000, 1};
    tunnel::Segmenter segmenter_{slots_, kHead, 64};
    tunnel::MssClampStage clamp_;
    tunnel::Coalescer coalescer_{{true, true, true, true}};
    PacketBatch batch_;
};

/// A namespace with one TAP that is up and has addresses ending in `host`.
struct Site {
    bridge::PrivateNamespace own;
    std::optional<bridge::Tap> tap;

    bool prepare(const char* name, int host) {
        auto opened = bridge::Tap::open(name);
        if (!opened) return false;
        tap.emplace(std::move(*opened));
        bridge::Hands hands;
        const auto index = hands.link(name).index;
        const std::array<std::uint8_t, 4> v4{10, 77, 0, static_cast<std::uint8_t>(host)};
        std::array<std::uint8_t, 16> v6{0xfd, 0, 0, 0x77};
        v6[15] = static_cast<std::uint8_t>(host);
        ifaddrmsg header{};
        header.ifa_family = AF_INET6;
        header.ifa_prefixlen = 64;
        header.ifa_index = raw(index);
        header.ifa_flags = IFA_F_NODAD;
        bridge::netlink::MessageBuilder b(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
        b.header(header).attribute(IFA_LOCAL, v6).attribute(IFA_ADDRESS, v6);
        return hands.change(bridge::netlink::set_up(index, true)) && hands.address(name, v4) &&
               hands.change(std::move(b).take());
    }
};

}  // namespace isthmus::test
