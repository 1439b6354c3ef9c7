// The question that makes a silent host speak, so that switches learn where it is: who has this address?
//
//   IPv4: an ARP probe (RFC 5227 section 1.1)          IPv6: a neighbour solicitation (RFC 4861 section 4.3)
//   to ff:ff:ff:ff:ff:ff, sender 0.0.0.0               to the address's solicited-node group, from a link-local address
//
// Both tell whom to answer by MAC address, which need not be the frame's source (RFC 826 answers ar$sha, RFC 4861 section 7.2.4 the
// source link-layer address option), and nothing that a host would believe of another: the sender of the first has no IPv4
// address, that of the second the one that its MAC address makes (RFC 4291 appendix A). The second is not sent from "::", as one would
// to find a duplicate: a host that is just trying out its address would give it up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/ethernet.h"

namespace isthmus::stp_guard {

/// Whom a unicast frame is for, or a frame is from.
struct Addressee {
    MacAddress host;
    std::uint8_t tag_count = 0;
    std::array<VlanTag, 2> tags{};
    /// Of an IP packet the destination or source, of ARP the target or sender; nullopt: the frame names none that can be asked for.
    std::optional<IpAddress> address;

    /// "02:00:5e:10:00:01 (192.0.2.1)"
    [[nodiscard]] std::string text() const;
};

/// nullopt: the frame ends inside its Ethernet header or tags, or is for a group.
[[nodiscard]] std::optional<Addressee> addressee_of(Bytes frame);
/// nullopt: the frame ends inside its Ethernet header or tags, or names a group as its source.
[[nodiscard]] std::optional<Addressee> sender_of(Bytes frame);

/// A whole frame from `from`, in the same VLAN, which the host answers to `answer_to`; `who.address` is there. An answer to who sent it
/// takes the way back. One to an address that nobody has, and no switch has learned, is flooded: it tells all of them where the host is,
/// on the way that flooded frames take.
[[nodiscard]] std::vector<std::uint8_t> question_for(const Addressee& who, const MacAddress& from,
                                                     const MacAddress& answer_to);

}  // namespace isthmus::stp_guard
