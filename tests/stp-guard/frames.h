// Frames that switches and hosts send, for tests of the guard.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"

namespace isthmus::test {

using Octets = std::vector<std::uint8_t>;

inline Octets hex(std::string_view digits) {
    std::string packed;
    for (const char c : digits)
        if (c != ' ') packed.push_back(c);
    return from_hex(packed).value();
}

/// A tag: TPID, then TCI.
struct Tag {
    std::uint16_t tpid;
    std::uint16_t tci;
};

/// Destination, a source, tags, and whatever comes from the type (or length) on; padded to 60 bytes.
inline Octets frame_to(std::string_view destination, const Octets& from_type,
                       const std::vector<Tag>& tags = {}) {
    ByteWriter out;
    const auto mac = MacAddress::parse(destination).value();
    out.bytes(mac.bytes).bytes(hex("02005e100101"));
    for (const Tag& tag : tags) out.u16(tag.tpid).u16(tag.tci);
    out.bytes(from_type);
    if (out.size() < 60) out.zeros(60 - out.size());
    return std::move(out).take();
}

inline constexpr std::string_view kHost = "02:00:5e:10:00:01";
inline constexpr std::string_view kBroadcast = "ff:ff:ff:ff:ff:ff";
inline constexpr std::string_view kBridgeGroup = "01:80:c2:00:00:00";
inline constexpr std::string_view kPvst = "01:00:0c:cc:cc:cd";

inline const Octets kIpv4 = hex("0800 4500001c");
inline const Octets kArp = hex("0806 0001080006040001");
inline const Octets kConfigBpdu =
    hex("0026 424203 0000 00 00 00 8001001906eab880 00000000 8001001906eab880 8005 0000 1400 0200 0f00");
inline const Octets kTcnBpdu = hex("0007 424203 0000 00 80");
inline const Octets kRstBpdu =
    hex("0027 424203 0000 02 02 3c 8001001906eab880 00000000 8001001906eab880 8005 0000 1400 0200 0f00 00");

}  // namespace isthmus::test
