#include "tunnel/offload/flow_headers.h"

#include <cstring>

#include "base/checksum.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;
constexpr std::uint8_t kPsh = 0x08;
constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kUrg = 0x20;
constexpr std::uint8_t kCwr = 0x80;
constexpr std::uint16_t kDontFragment = 0x4000;
// Linux cuts TCP no smaller (TCP_MIN_GSO_SIZE).
constexpr std::size_t kMinTcpSegment = 8;

std::uint64_t load64(const std::uint8_t* p) noexcept {
    std::uint64_t v = 0;
    std::memcpy(&v, p, sizeof v);
    return v;
}
std::uint32_t load32(const std::uint8_t* p) noexcept {
    std::uint32_t v = 0;
    std::memcpy(&v, p, sizeof v);
    return v;
}

/// n is at least 8. Headers are too short for a call of memcmp to pay.
bool equal_bytes(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) noexcept {
    std::uint64_t different = load64(a + n - 8) ^ load64(b + n - 8);
    for (std::size_t i = 0; i + 8 < n; i += 8) different |= load64(a + i) ^ load64(b + i);
    return different == 0;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
    hash = (hash ^ word) * 0x9e37'79b9'7f4a'7c15U;
    return hash ^ (hash >> 32);
}

struct AddressField {
    std::size_t at;
    std::size_t size;
};
AddressField addresses_of(const TransportView& view) noexcept {
    if (view.ip_version == 4) return {view.l3 + 12U, 8};
    return {view.l3 + 8U, 32};
}

bool same_ip(const std::uint8_t* a, const std::uint8_t* b, bool v4) noexcept {
    if (!v4) return load32(a) == load32(b) && std::memcmp(a + 6, b + 6, 2) == 0;
    return std::memcmp(a, b, 2) == 0 && load32(a + 6) == load32(b + 6);
}

bool same_tcp(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) noexcept {
    // Of the word with offset, flags and window only CWR, PSH and FIN may differ; who may have which is the
    // caller's.
    constexpr std::uint32_t kMayDiffer = std::uint32_t{kCwr | kPsh | kFin} << 16;
    std::uint32_t different = load32(a + 8) ^ load32(b + 8);
    different |= (load_be32(a + 12) ^ load_be32(b + 12)) & ~kMayDiffer;
    different |= std::uint32_t{load_be16(a + 18)} ^ load_be16(b + 18);
    for (std::size_t i = kTcpHeaderSize; i < size; i += 4) different |= load32(a + i) ^ load32(b + i);
    return different == 0;
}

bool ip_is_plain(const std::uint8_t* ip, const TransportView& view) noexcept {
    if (view.has_ip_options()) return false;
    return view.ip_version == 6 || (load_be16(ip + 6) & ~kDontFragment) == 0;
}

}  // namespace

std::optional<Candidate> Candidate::of(Bytes frame, const TransportView& view) noexcept {
    const std::uint8_t* ip = frame.data() + view.l3;
    const std::uint8_t* l4 = frame.data() + view.l4;
    if (view.end != frame.size() || frame.size() <= view.payload || !ip_is_plain(ip, view))
        return std::nullopt;
    const std::size_t payload_size = frame.size() - view.payload;
    if (payload_size > 0xffff) return std::nullopt;
    Candidate candidate{view, static_cast<std::uint16_t>(payload_size), 0, 0, false, false};
    if (view.ip_version == 4) candidate.identification = load_be16(ip + 4);
    if (view.protocol == kProtocolUdp) {
        const bool whole = load_be16(l4 + 4) == payload_size + kUdpHeaderSize;
        return whole && load_be16(l4 + kUdpChecksumOffset) != 0 ? std::optional(candidate) : std::nullopt;
    }
    const std::uint8_t flags = l4[13];
    if ((flags & (kSyn | kRst | kUrg | kAck)) != kAck || payload_size < kMinTcpSegment) return std::nullopt;
    candidate.sequence = load_be32(l4 + 4);
    candidate.cwr = (flags & kCwr) != 0;
    candidate.last = (flags & (kPsh | kFin)) != 0;
    return candidate;
}

std::uint32_t flow_hash(Bytes frame, const TransportView& view, std::uint32_t session) noexcept {
    const auto [at, size] = addresses_of(view);
    std::uint64_t hash = mix(load32(frame.data() + view.l4), (std::uint64_t{session} << 8) | view.protocol);
    for (std::size_t i = 0; i < size; i += 8) hash = mix(hash, load64(frame.data() + at + i));
    return static_cast<std::uint32_t>(hash);
}

bool same_flow(Bytes a, const TransportView& a_view, Bytes b, const TransportView& b_view) noexcept {
    if (a_view.ip_version != b_view.ip_version || a_view.protocol != b_view.protocol) return false;
    const auto of_a = addresses_of(a_view);
    const auto of_b = addresses_of(b_view);
    return load32(a.data() + a_view.l4) == load32(b.data() + b_view.l4) &&
           equal_bytes(a.data() + of_a.at, b.data() + of_b.at, of_a.size);
}

bool same_headers(Bytes first, const TransportView& view, Bytes other) noexcept {
    const std::uint8_t* a = first.data();
    const std::uint8_t* b = other.data();
    if (!equal_bytes(a, b, view.l3) || !same_ip(a + view.l3, b + view.l3, view.ip_version == 4)) return false;
    if (view.protocol == kProtocolUdp) return true;
    return same_tcp(a + view.l4, b + view.l4, std::size_t{view.payload} - view.l4);
}

// A sum of all ones means good, but zero has two forms. Segmenting writes zero as 0x0000 for IPv4 and TCP,
// and UDP cannot have it; a sender that wrote 0xffff would get something else out than it put in.
bool checksums_good(Bytes frame, const TransportView& view) noexcept {
    constexpr std::uint16_t kGood = 0xffff;
    const std::uint8_t* ip = frame.data() + view.l3;
    if (view.ip_version == 4 && (load_be16(ip + 10) == kGood ||
                                 ones_complement_sum(frame.subspan(view.l3, kIpv4HeaderSize)) != kGood)) {
        return false;
    }
    const bool tcp = view.protocol == kProtocolTcp;
    if (tcp && load_be16(frame.data() + view.l4 + kTcpChecksumOffset) == kGood) return false;
    const Bytes transport = frame.subspan(view.l4);
    return ones_complement_sum(transport,
                               view.pseudo_sum(frame, static_cast<std::uint32_t>(transport.size()))) == kGood;
}

bool has_cwr(Bytes frame, const TransportView& view) noexcept {
    return (frame[view.l4 + 13U] & kCwr) != 0;
}

void merge_headers(MutableBytes first, const TransportView& view, Bytes last, std::uint32_t size) noexcept {
    std::uint8_t* ip = first.data() + view.l3;
    std::uint8_t* l4 = first.data() + view.l4;
    const std::uint32_t transport_size = size - view.l4;
    if (view.ip_version == 4) {
        store_be16(ip + 2, static_cast<std::uint16_t>(size - view.l3));
        store_be16(ip + 10, 0);
        store_be16(ip + 10, internet_checksum(first.subspan(view.l3, kIpv4HeaderSize)));
    } else {
        store_be16(ip + 4, static_cast<std::uint16_t>(transport_size));
    }
    const std::uint16_t sum = view.pseudo_sum(first, transport_size);
    if (view.protocol == kProtocolUdp) {
        store_be16(l4 + 4, static_cast<std::uint16_t>(transport_size));
        store_be16(l4 + kUdpChecksumOffset, sum);
        return;
    }
    l4[13] |= static_cast<std::uint8_t>(last[view.l4 + 13U] & (kPsh | kFin));
    store_be16(l4 + kTcpChecksumOffset, sum);
}

}  // namespace isthmus::tunnel
