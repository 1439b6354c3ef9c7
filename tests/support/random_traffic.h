// Random traffic as hosts' kernels hand it to a TAP, and what a link may do to it: for comparisons with plain counterparts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "base/transport_view.h"
#include "tests/support/frame_builder.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ISTHMUS_SLOW_BUILD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ISTHMUS_SLOW_BUILD 1
#endif
#endif

namespace isthmus::test {

/// How many frames to try: a twentieth in builds with sanitizers; ISTHMUS_TEST_SCALE is a factor for all.
inline std::size_t frames_wanted(double usual) {
#ifdef ISTHMUS_SLOW_BUILD
    usual /= 20;
#endif
    const char* scale = std::getenv("ISTHMUS_TEST_SCALE");
    return static_cast<std::size_t>(usual * (scale != nullptr ? std::strtod(scale, nullptr) : 1.0));
}

class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint32_t roll(std::uint32_t sides) {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::uint32_t>(((state_ >> 33) * sides) >> 31);
    }
    bool one_in(std::uint32_t n) { return roll(n) == 0; }
    std::uint16_t any16() { return static_cast<std::uint16_t>(roll(0x1'0000)); }
    std::uint8_t any8() { return static_cast<std::uint8_t>(roll(0x100)); }

  private:
    std::uint64_t state_;
};

/// What a host's kernel hands to the TAP.
struct HostFrame {
    Frame bytes;
    Offload offload;
};

/// Flows whose state goes on from frame to frame, as real ones do, with all that keeps frames from being merged mixed in.
class Hosts {
  public:
    explicit Hosts(std::uint64_t seed)
        : dice_(seed), noise_(pattern(70'000, static_cast<std::uint32_t>(seed))) {
        for (std::uint32_t i = 0; i < kFlows; ++i) flows_.push_back(make_flow(i));
    }

    HostFrame next() {
        if (dice_.one_in(3)) current_ = dice_.roll(kFlows);
        if (dice_.one_in(40)) return oddity();
        FrameSpec& flow = flows_[current_];
        if (dice_.one_in(12)) disturb(flow);
        return flow.protocol == 6 ? tcp(flow) : udp(flow);
    }

  private:
    static constexpr std::uint32_t kFlows = 40;

    FrameSpec make_flow(std::uint32_t i) {
        FrameSpec flow;
        // Some flows differ in their tags or MACs only: their common order must hold.
        flow.host = static_cast<std::uint8_t>(i / 2);
        flow.mac_end = static_cast<std::uint8_t>(i % 4);
        flow.v6 = i / 2 % 2 == 1;
        flow.protocol = i / 2 % 3 == 0 ? 17 : 6;
        if (i % 5 == 1) flow.tags = {0x8100'0064U + i};
        if (i % 5 == 2) flow.tags = {0x88a8'0064U, 0x8100'6001U + i};
        if (i % 3 != 0) flow.tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
        if (i % 11 == 10 && !flow.v6) flow.ip_options = {1, 1, 1, 1};
        if (i % 11 == 10 && flow.v6) {
            flow.ip_options = {flow.protocol, 0, 1, 4, 0, 0, 0, 0};
            flow.first_extension = 60;
        }
        return flow;
    }

    /// One of the things that must end a run, or be carried through it.
    void disturb(FrameSpec& flow) {
        switch (dice_.roll(14)) {
            case 0: flow.ttl = dice_.any8(); break;
            case 1: flow.traffic_class = dice_.any8(); break;
            case 2: flow.flow_label = dice_.roll(1U << 20); break;
            case 3: flow.fragment_bits = dice_.one_in(2) ? 0x4000 : 0; break;
            case 4: flow.identification = dice_.any16(); break;
            case 5: flow.acknowledgment += dice_.roll(3000); break;
            case 6: flow.window = dice_.any16(); break;
            case 7: flow.sequence += dice_.roll(3000) - 1500; break;
            case 8:
                if (!flow.tcp_options.empty()) flow.tcp_options[7]++;
                break;
            case 9: flow.mac_end = dice_.any8(); break;
            case 10:
                if (!flow.tags.empty()) flow.tags[0] = 0x8100'0000 | dice_.any16();
                break;
            case 11: flow.sequence = 0xffff'ffff - dice_.roll(5000); break;
            case 12: flow.identification = static_cast<std::uint16_t>(0xffff - dice_.roll(8)); break;
            default: flow.urgent = dice_.one_in(2) ? dice_.any16() : std::uint16_t{0}; break;
        }
    }

    Frame payload(std::size_t size) {
        const auto from = noise_.begin() + static_cast<std::ptrdiff_t>(dice_.roll(2000));
        return {from, from + static_cast<std::ptrdiff_t>(size)};
    }
    std::size_t wire_size() {
        if (dice_.one_in(3)) return 1 + dice_.roll(1400);
        return dice_.one_in(2) ? 1400 : 18 + dice_.roll(100);
    }

    HostFrame tcp(FrameSpec& flow) {
        constexpr std::uint8_t kFlags[] = {0x10, 0x10, 0x10, 0x10, 0x18, 0x18, 0x11,
                                           0x19, 0x50, 0x90, 0xd8, 0x30, 0x02, 0x14};
        FrameSpec s = flow;
        s.flags = kFlags[dice_.roll(dice_.one_in(2) ? sizeof kFlags : 4)];
        if ((s.flags & 0x02) != 0 && dice_.one_in(2)) announce_mss(s);
        const bool big = dice_.one_in(4);
        const std::size_t segment = std::max<std::size_t>(8, wire_size());
        const std::size_t size = big ? 1 + dice_.roll(dice_.one_in(20) ? 64'000 : 12'000) : segment;
        if (!dice_.one_in(20)) s.payload = payload(size);
        return send(flow, s, big ? segment : 0);
    }

    /// Any MSS, at an even offset or an odd one.
    void announce_mss(FrameSpec& spec) {
        const std::uint16_t mss = dice_.any16();
        const auto high = static_cast<std::uint8_t>(mss >> 8), low = static_cast<std::uint8_t>(mss);
        spec.tcp_options =
            dice_.one_in(2) ? Frame{2, 4, high, low, 1, 3, 3, 7} : Frame{1, 2, 4, high, low, 4, 2, 0};
    }

    HostFrame udp(FrameSpec& flow) {
        FrameSpec s = flow;
        const bool big = dice_.one_in(6);
        if (!dice_.one_in(8)) run_size_ = wire_size();
        s.payload = payload(big ? run_size_ * (1 + dice_.roll(12)) : run_size_);
        s.udp_no_checksum = !big && dice_.one_in(30);
        return send(flow, s, big ? run_size_ : 0);
    }

    /// Segment size 0: a frame of its own, with its checksum complete or not.
    HostFrame send(FrameSpec& flow, FrameSpec s, std::size_t segment) {
        const std::size_t segments =
            segment == 0 || s.payload.empty() ? 1 : (s.payload.size() + segment - 1) / segment;
        flow.sequence += static_cast<std::uint32_t>(s.payload.size());
        flow.identification = static_cast<std::uint16_t>(flow.identification + segments);
        s.partial_checksum = segment != 0 || dice_.one_in(2);
        if (s.udp_no_checksum) s.partial_checksum = false;
        if (!s.partial_checksum && dice_.one_in(50)) s.trailer = payload(1 + dice_.roll(8));
        HostFrame out{build(s), {}};
        if (s.partial_checksum) out.offload = offload_for(s, segment);
        if (segment == 0 || s.payload.empty()) out.offload.kind = Offload::Kind::none;
        return out;
    }

    /// Frames that are no part of any flow, or whose part cannot be known.
    HostFrame oddity() {
        FrameSpec s = flows_[current_];
        s.payload = payload(dice_.roll(300));
        switch (dice_.roll(6)) {
            case 0:
                s.fragment_bits = 0x2000;
                s.protocol = 17;
                break;
            case 1:
                s.fragment_bits = 0x00b9;
                s.protocol = 1;
                break;
            case 2: s.protocol = 1; break;
            case 3: s.protocol = 47; break;
            case 4: {
                Frame arp = build(s);
                set16(arp, 12, dice_.one_in(2) ? 0x0806U : 60U);
                return {arp, {}};
            }
            default: {
                Frame cut = build(s);
                cut.resize(14 + dice_.roll(static_cast<std::uint32_t>(cut.size() - 14)));
                return {cut, {}};
            }
        }
        return {build(s), {}};
    }

    Dice dice_;
    Frame noise_;
    std::vector<FrameSpec> flows_;
    std::uint32_t current_ = 0;
    std::size_t run_size_ = 100;
};

/// Plain counterpart of the MSS clamp, for frames of Hosts.
inline void plain_clamp(HostFrame& host, std::uint16_t tcp4, std::uint16_t tcp6) {
    Frame& frame = host.bytes;
    const auto view = TransportView::of(frame);
    if (!view.is_tcp() || (frame[view.l4 + 13U] & 0x02) == 0) return;
    const std::size_t end = view.l4 + (frame[view.l4 + 12U] >> 4) * 4U;
    std::size_t at = view.l4 + 20U;
    while (at + 1 < end && frame[at] != 2) at += frame[at] == 1 ? 1U : frame[at + 1];
    const std::uint16_t limit = view.ip_version == 4 ? tcp4 : tcp6;
    if (limit == 0 || at + 4 > end || at16(frame, at + 2) <= limit) return;
    set16(frame, at + 2, limit);
    if (host.offload.needs_checksum) return;
    set16(frame, view.l4 + 16U, 0);
    const std::size_t length = view.end - view.l4;
    const auto pseudo = plain_pseudo_sum(frame, view.l3, view.ip_version == 6, 6, length);
    set16(frame, view.l4 + 16U, plain_checksum(plain_sum(frame.data() + view.l4, length, pseudo)));
}

/// Loss, duplication, reordering and damage between the two ends.
inline void impair(std::vector<Frame>& wire, Dice& dice) {
    for (std::size_t i = 0; i < wire.size(); ++i) {
        if (!dice.one_in(60)) continue;
        const auto here = wire.begin() + static_cast<std::ptrdiff_t>(i);
        switch (dice.roll(4)) {
            case 0: wire.erase(here); break;
            case 1: {
                const Frame copy = wire[i];
                wire.insert(here, copy);
                break;
            }
            case 2:
                if (i > 0) std::swap(wire[i], wire[i - 1]);
                break;
            default:
                wire[i][dice.roll(static_cast<std::uint32_t>(wire[i].size()))] ^=
                    static_cast<std::uint8_t>(1U << dice.roll(8));
                break;
        }
    }
}

}  // namespace isthmus::test
