// Frames for tests, and plain counterparts of what the datapath does: one byte and one frame at a
// time, sharing no code with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/packet_buffer.h"

namespace isthmus::test {

using Frame = std::vector<std::uint8_t>;

/// RFC 1071 as its text has it.
inline std::uint32_t plain_sum(const std::uint8_t* p, std::size_t n, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < n; ++i) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(p[i] << 8) : p[i];
        if (sum >> 16 != 0) sum = (sum & 0xffff) + 1;
    }
    return sum;
}
inline std::uint16_t plain_checksum(std::uint32_t sum) {
    return static_cast<std::uint16_t>(~sum & 0xffff);
}

struct FrameSpec {
    std::vector<std::uint32_t> tags;  ///< TPID and TCI, outermost first
    std::uint8_t mac_end = 1;
    bool v6 = false;
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0x12345;
    std::uint8_t ttl = 64;
    std::uint16_t identification = 100;
    std::uint16_t fragment_bits = 0x4000;
    Frame ip_options;  ///< IPv4, a multiple of 4; or IPv6 extension headers, without the next header of the
                       ///< last
    std::uint8_t first_extension =
        0;  ///< IPv6: type of the first extension header, if ip_options is not empty
    std::uint8_t protocol = 6;
    std::uint8_t host = 1;  ///< last byte of the source address
    std::uint16_t source_port = 40000;
    std::uint16_t destination_port = 80;
    std::uint32_t sequence = 1000;
    std::uint32_t acknowledgment = 77;
    std::uint8_t flags = 0x10;
    std::uint16_t window = 512;
    std::uint16_t urgent = 0;
    Frame tcp_options;  ///< a multiple of 4
    Frame payload;
    Frame trailer;                  ///< behind the IP packet
    bool partial_checksum = false;  ///< pseudo header's sum only, as for needs_checksum
    bool udp_no_checksum = false;
};

inline Frame pattern(std::size_t size, std::uint32_t seed = 1) {
    Frame out(size);
    for (auto& b : out) {
        seed = seed * 1664525U + 1013904223U;
        b = static_cast<std::uint8_t>(seed >> 24);
    }
    return out;
}

inline void put16(Frame& f, std::uint32_t v) {
    f.push_back(static_cast<std::uint8_t>(v >> 8));
    f.push_back(static_cast<std::uint8_t>(v));
}
inline void put32(Frame& f, std::uint32_t v) {
    put16(f, v >> 16);
    put16(f, v);
}
inline void append(Frame& f, const Frame& more) {
    f.insert(f.end(), more.begin(), more.end());
}
inline std::uint16_t at16(const Frame& f, std::size_t at) {
    return static_cast<std::uint16_t>((f[at] << 8) | f[at + 1]);
}
inline void set16(Frame& f, std::size_t at, std::uint32_t v) {
    f[at] = static_cast<std::uint8_t>(v >> 8);
    f[at + 1] = static_cast<std::uint8_t>(v);
}

inline std::uint32_t plain_pseudo_sum(const Frame& f, std::size_t l3, bool v6, std::uint8_t protocol,
                                      std::size_t length) {
    const std::uint32_t addresses = v6 ? plain_sum(f.data() + l3 + 8, 32) : plain_sum(f.data() + l3 + 12, 8);
    const std::uint8_t rest[4] = {0, protocol, static_cast<std::uint8_t>(length >> 8),
                                  static_cast<std::uint8_t>(length)};
    return plain_sum(rest, 4, addresses);
}

/// Where build() puts things.
struct Places {
    std::size_t l3, l4, payload;
};
inline Places places(const FrameSpec& s) {
    const std::size_t l3 = 14 + 4 * s.tags.size();
    const std::size_t l4 = l3 + (s.v6 ? 40 : 20) + s.ip_options.size();
    const std::size_t header = s.protocol == 6 ? 20 + s.tcp_options.size() : s.protocol == 17 ? 8 : 0;
    return {l3, l4, l4 + header};
}

inline void put_ethernet(Frame& f, const FrameSpec& s) {
    append(f, {2, 0, 0x5e, 0x10, 0, s.mac_end, 2, 0, 0x5e, 0x10, 1, s.host});
    for (const auto tag : s.tags) put32(f, tag);
    put16(f, s.v6 ? 0x86dd : 0x0800);
}

inline void put_ip(Frame& f, const FrameSpec& s, std::size_t upper) {
    const std::size_t l3 = f.size();
    if (s.v6) {
        put32(f, 0x6000'0000U | (std::uint32_t{s.traffic_class} << 20) | s.flow_label);
        put16(f, static_cast<std::uint32_t>(upper + s.ip_options.size()));
        f.push_back(s.ip_options.empty() ? s.protocol : s.first_extension);
        f.push_back(s.ttl);
        append(f, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, s.host});
        append(f, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1});
        append(f, s.ip_options);
        return;
    }
    f.push_back(static_cast<std::uint8_t>(0x45 + s.ip_options.size() / 4));
    f.push_back(s.traffic_class);
    put16(f, static_cast<std::uint32_t>(20 + s.ip_options.size() + upper));
    put16(f, s.identification);
    put16(f, s.fragment_bits);
    append(f, {s.ttl, s.protocol, 0, 0, 10, 0, 0, s.host, 10, 0, 1, 1});
    append(f, s.ip_options);
    set16(f, l3 + 10, plain_checksum(plain_sum(f.data() + l3, 20 + s.ip_options.size())));
}

inline void put_transport(Frame& f, const FrameSpec& s, std::size_t l3) {
    const std::size_t l4 = f.size();
    std::size_t field = 0;
    if (s.protocol == 6) {
        put16(f, s.source_port);
        put16(f, s.destination_port);
        put32(f, s.sequence);
        put32(f, s.acknowledgment);
        f.push_back(static_cast<std::uint8_t>((5 + s.tcp_options.size() / 4) << 4));
        f.push_back(s.flags);
        put16(f, s.window);
        field = f.size();
        put16(f, 0);
        put16(f, s.urgent);
        append(f, s.tcp_options);
    } else if (s.protocol == 17) {
        put16(f, s.source_port);
        put16(f, s.destination_port);
        put16(f, static_cast<std::uint32_t>(8 + s.payload.size()));
        field = f.size();
        put16(f, 0);
    }
    append(f, s.payload);
    if (field == 0 || (s.protocol == 17 && s.udp_no_checksum)) return;
    const std::size_t length = f.size() - l4;
    const std::uint32_t pseudo = plain_pseudo_sum(f, l3, s.v6, s.protocol, length);
    std::uint32_t checksum =
        s.partial_checksum ? pseudo : plain_checksum(plain_sum(f.data() + l4, length, pseudo));
    if (s.protocol == 17 && !s.partial_checksum && checksum == 0) checksum = 0xffff;
    set16(f, field, checksum);
}

inline Frame build(const FrameSpec& s) {
    Frame f;
    put_ethernet(f, s);
    const std::size_t l3 = f.size();
    const std::size_t header = places(s).payload - places(s).l4;
    put_ip(f, s, header + s.payload.size());
    put_transport(f, s, l3);
    append(f, s.trailer);
    return f;
}

/// The offload that the kernel would hand over with build(spec), of segments of `segment_size` bytes.
inline Offload offload_for(const FrameSpec& s, std::size_t segment_size) {
    Offload o;
    o.kind = s.protocol == 17 ? Offload::Kind::udp : s.v6 ? Offload::Kind::tcp6 : Offload::Kind::tcp4;
    o.needs_checksum = true;
    o.ecn = s.protocol == 6 && (s.flags & 0x80) != 0;
    o.segment_size = static_cast<std::uint16_t>(segment_size);
    o.header_size = static_cast<std::uint16_t>(places(s).payload);
    o.checksum_start = static_cast<std::uint16_t>(places(s).l4);
    o.checksum_offset = s.protocol == 17 ? 6 : 16;
    return o;
}

/// What a network card would make of a frame: the plain counterpart of Segmenter. Believes the offload.
inline std::vector<Frame> plain_segments(const Frame& frame, const Offload& o) {
    if (o.kind == Offload::Kind::none) {
        Frame whole = frame;
        if (o.needs_checksum) {
            const std::size_t start = o.checksum_start;
            const auto checksum = plain_checksum(plain_sum(whole.data() + start, whole.size() - start));
            set16(whole, start + o.checksum_offset, checksum == 0 ? 0xffff : checksum);
        }
        return {whole};
    }
    std::size_t l3 = 14;
    while (at16(frame, l3 - 2) != 0x0800 && at16(frame, l3 - 2) != 0x86dd) l3 += 4;
    const std::size_t l4 = o.checksum_start;
    const bool udp = o.kind == Offload::Kind::udp;
    const bool v6 = at16(frame, l3 - 2) == 0x86dd;
    std::vector<Frame> out;
    for (std::size_t at = o.header_size; at < frame.size(); at += o.segment_size) {
        const std::size_t size = std::min<std::size_t>(o.segment_size, frame.size() - at);
        const bool first = at == o.header_size;
        const bool last = at + size == frame.size();
        Frame f(frame.begin(), frame.begin() + o.header_size);
        f.insert(f.end(), frame.begin() + static_cast<std::ptrdiff_t>(at),
                 frame.begin() + static_cast<std::ptrdiff_t>(at + size));
        if (v6) {
            set16(f, l3 + 4, static_cast<std::uint32_t>(f.size() - l3 - 40));
        } else {
            set16(f, l3 + 2, static_cast<std::uint32_t>(f.size() - l3));
            set16(f, l3 + 4, static_cast<std::uint32_t>(at16(frame, l3 + 4) + out.size()));
            set16(f, l3 + 10, 0);
            set16(f, l3 + 10, plain_checksum(plain_sum(f.data() + l3, l4 - l3)));
        }
        if (udp) {
            set16(f, l4 + 4, static_cast<std::uint32_t>(f.size() - l4));
        } else {
            const auto sequence =
                static_cast<std::uint32_t>(load_be32(frame.data() + l4 + 4) + (at - o.header_size));
            set16(f, l4 + 4, sequence >> 16);
            set16(f, l4 + 6, sequence);
            if (!first) f[l4 + 13] &= 0x7f;
            if (!last) f[l4 + 13] &= 0xf6;
        }
        const std::size_t field = l4 + o.checksum_offset;
        set16(f, field, 0);
        const auto pseudo = plain_pseudo_sum(f, l3, v6, udp ? 17 : 6, f.size() - l4);
        const auto checksum = plain_checksum(plain_sum(f.data() + l4, f.size() - l4, pseudo));
        set16(f, field, udp && checksum == 0 ? 0xffff : checksum);
        out.push_back(std::move(f));
    }
    return out;
}

/// `frame` in a packet of `pool`, with 128 bytes of headroom.
inline PacketBuffer packet_of(PacketPool& pool, const Frame& frame, const Offload& offload = {}) {
    auto packet = pool.allocate(128);
    if (!packet || packet->tailroom() < frame.size()) std::abort();
    const auto to = packet->append(frame.size());
    std::copy(frame.begin(), frame.end(), to.begin());
    packet->meta.offload = offload;
    return std::move(*packet);
}
inline Frame bytes_of(const PacketBuffer& packet) {
    return {packet.data().begin(), packet.data().end()};
}

}  // namespace isthmus::test
