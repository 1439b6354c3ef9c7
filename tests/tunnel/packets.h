// What tests of the tunnel share: packets from bytes, frames, tunnels and sessions with readable defaults.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string_view>
#include <vector>

#include "base/ethernet.h"
#include "base/packet_batch.h"
#include "tunnel/session_table.h"

namespace isthmus::tunnel::test {

using Octets = std::vector<std::uint8_t>;

inline Octets hex(std::string_view text) {
    Octets digits;
    for (const char c : text)
        if (c != ' ') digits.push_back(static_cast<std::uint8_t>(c));
    // Also used before main(): no doctest here.
    return from_hex(std::string_view(reinterpret_cast<const char*>(digits.data()), digits.size())).value();
}

inline Octets copy(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

inline Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// A pool, a batch and a ledger: what a worker has.
struct Worker {
    PacketPool pool{2048, 512};
    PacketBatch batch;
    DropLedger ledger;

    PacketBuffer packet(Bytes bytes) {
        auto p = pool.allocate(128);
        REQUIRE(p);
        if (!bytes.empty()) std::memcpy(p->append(bytes.size()).data(), bytes.data(), bytes.size());
        return std::move(*p);
    }
    PacketBuffer& add(Bytes bytes) { return batch.push(packet(bytes)); }
    [[nodiscard]] std::uint64_t drops(DropReason reason) const { return ledger.total().dropped_for(reason); }
};

inline Octets addresses() {
    return hex("02000000020b 02000000010a");
}
/// An untagged frame of `size` bytes with EtherType 0x88b5 (local experimental), recognisable by `seed`.
inline Octets frame(std::size_t size = 60, std::uint8_t seed = 1) {
    Octets f = addresses() + hex("88b5");
    for (std::size_t i = f.size(); i < size; ++i) f.push_back(static_cast<std::uint8_t>(seed * 7U + i));
    return f;
}
/// `inner` with one more tag in front of its type.
inline Octets tagged(const Octets& inner, std::uint16_t tci, std::uint16_t tpid = kEtherTypeVlan) {
    ByteWriter tag;
    tag.u16(tpid).u16(tci);
    Octets f(inner.begin(), inner.begin() + 12);
    f = f + copy(tag.view());
    f.insert(f.end(), inner.begin() + 12, inner.end());
    return f;
}

inline Cookie cookie(std::string_view text) {
    const Octets bytes = hex(text);
    Cookie c;
    c.size = static_cast<std::uint8_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), c.bytes.begin());
    return c;
}

inline IpAddress ip(std::string_view text) {
    const auto address = IpAddress::parse(text);
    REQUIRE(address);
    return *address;
}

/// Site A's view of a tunnel from 192.0.2.1 to 192.0.2.2.
inline TunnelEntry tunnel_entry(Encapsulation encapsulation = Encapsulation::udp, std::uint16_t index = 0) {
    TunnelEntry entry;
    entry.index = TunnelIndex{index};
    entry.options.encapsulation = encapsulation;
    entry.options.local = ip("192.0.2.1");
    entry.options.remote = ip("192.0.2.2");
    return entry;
}
inline Path path_from_b() {
    return {{ip("192.0.2.1"), 1701}, {ip("192.0.2.2"), 1701}, std::nullopt};
}

/// Site A's view of a session without cookie and sublayer.
inline SessionEntry session_entry(std::uint32_t index = 0, std::uint16_t tunnel = 0) {
    SessionEntry entry;
    entry.index = SessionIndex{index};
    entry.tunnel = TunnelIndex{tunnel};
    entry.options.local_id = SessionId{0xa1b2c3d4 + index};
    entry.options.remote_id = SessionId{0x51627384 + index};
    return entry;
}

/// The same session as the peer sees it.
inline SessionEntry mirrored(SessionEntry entry) {
    SessionOptions& o = entry.options;
    std::swap(o.local_id, o.remote_id);
    std::swap(o.local_cookie, o.remote_cookie);
    std::swap(o.send_sublayer, o.receive_sublayer);
    return entry;
}
inline TunnelEntry mirrored(TunnelEntry entry) {
    std::swap(entry.options.local, entry.options.remote);
    std::swap(entry.options.local_port, entry.options.remote_port);
    return entry;
}

inline std::shared_ptr<const SessionTable> table(const std::vector<TunnelEntry>& tunnels,
                                                 const std::vector<SessionEntry>& sessions) {
    auto built = SessionTable::build(tunnels, sessions);
    if (!built) FAIL(built.error());
    return *built;
}

}  // namespace isthmus::tunnel::test
