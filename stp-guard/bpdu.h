// Bridge Protocol Data Units: STP, RSTP, MSTP (IEEE 802.1D-2004 clause 9, IEEE 802.1Q-2018 clause 14) and Cisco's PVST+.
//
//    0      2  3  4  5         13     17        25   27   29   31   33   35 36
//   +------+--+--+--+---------+------+---------+----+----+----+----+----+--+
//   | 0    |ve|ty|fl| root    | cost | bridge  |port| age|max |helo|fwd | 0|    times in 1/256 s
//   +------+--+--+--+---------+------+---------+----+----+----+----+----+--+
//   TCN: 4 bytes. Configuration (type 0): 35. RST (type 2, version 2): 36.
//   MST (type 2, version 3) goes on:
//   36 version 3 length (64 + 16 n) | 38 format selector | 39 name 32 | 71 revision 2 | 73 digest 16 |
//   89 internal root path cost 4 | 93 bridge 8 | 101 remaining hops | 102 n times 16 bytes:
//      flags 1 | regional root 8 | internal root path cost 4 | bridge priority 1 | port priority 1 | remaining hops 1
//   PVST+: SNAP 00000c 010b; at 36 a TLV: type 0, length 2, originating VLAN 2
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace isthmus::stp_guard {

/// Smaller is better (802.1Q section 14.2.5): priority in steps of 4096, VLAN or instance in the low 12 bits, address.
struct BridgeId {
    std::uint16_t priority_and_extension = 0;
    MacAddress address;

    [[nodiscard]] constexpr std::uint16_t priority() const noexcept {
        return priority_and_extension & 0xf000;
    }
    [[nodiscard]] constexpr std::uint16_t extension() const noexcept {
        return priority_and_extension & 0x0fff;
    }
    [[nodiscard]] std::string text() const;  ///< "32768/1/00:19:06:ea:b8:80"
    friend constexpr auto operator<=>(const BridgeId&, const BridgeId&) = default;
};

/// What the sender's port is (802.1Q section 14.2.1).
enum class PortRole : std::uint8_t { unknown = 0, alternate_or_backup = 1, root = 2, designated = 3 };
[[nodiscard]] std::string_view name_of(PortRole role) noexcept;

/// One octet. Configuration BPDUs use the first and the last bit only; the other accessors read 0 there.
struct BpduFlags {
    std::uint8_t bits = 0;

    [[nodiscard]] constexpr bool topology_change() const noexcept { return (bits & 0x01) != 0; }
    [[nodiscard]] constexpr bool proposal() const noexcept { return (bits & 0x02) != 0; }
    [[nodiscard]] constexpr PortRole role() const noexcept { return static_cast<PortRole>((bits >> 2) & 3); }
    [[nodiscard]] constexpr bool learning() const noexcept { return (bits & 0x10) != 0; }
    [[nodiscard]] constexpr bool forwarding() const noexcept { return (bits & 0x20) != 0; }
    [[nodiscard]] constexpr bool agreement() const noexcept { return (bits & 0x40) != 0; }
    /// Of an MSTI: the master flag (802.1Q section 14.2.10).
    [[nodiscard]] constexpr bool topology_change_acknowledged() const noexcept { return (bits & 0x80) != 0; }
    friend constexpr bool operator==(BpduFlags, BpduFlags) = default;
};

enum class BpduKind : std::uint8_t { config, topology_change, rapid, multiple, shortest_path };
[[nodiscard]] std::string_view name_of(BpduKind kind) noexcept;

/// Which region a bridge believes to be in (802.1Q section 13.8): the same only if all is.
struct MstConfigurationId {
    std::uint8_t format = 0;
    std::array<std::uint8_t, 32> raw_name{};
    std::uint16_t revision = 0;
    std::array<std::uint8_t, 16> digest{};

    [[nodiscard]] std::string name() const;  ///< printable, up to its first NUL
    friend bool operator==(const MstConfigurationId&, const MstConfigurationId&) = default;
};

/// One spanning tree instance of a region.
struct MstInstance {
    BpduFlags flags;
    BridgeId regional_root;  ///< its extension is the instance's number
    std::uint32_t internal_root_path_cost = 0;
    std::uint8_t bridge_priority = 0;  ///< in steps of 4096: the sender's priority over 256
    std::uint8_t port_priority = 0;    ///< in steps of 16
    std::uint8_t remaining_hops = 0;

    [[nodiscard]] constexpr std::uint16_t number() const noexcept { return regional_root.extension(); }
    friend bool operator==(const MstInstance&, const MstInstance&) = default;
};

struct MstPart {
    MstConfigurationId configuration;
    std::uint32_t internal_root_path_cost = 0;
    BridgeId bridge;  ///< the sender
    std::uint8_t remaining_hops = 0;
    std::vector<MstInstance> instances;  ///< at most 64
};

/// All but `kind` and `version` are zero in a topology change notification.
struct Bpdu {
    BpduKind kind = BpduKind::config;
    std::uint8_t version = 0;  ///< as received: 0 STP, 2 RSTP, 3 MSTP, 4 SPT
    BpduFlags flags;
    BridgeId root;
    std::uint32_t root_path_cost = 0;
    BridgeId bridge;  ///< the sender; with an MST part its region's root
    std::uint16_t port = 0;
    Duration message_age{};
    Duration max_age{};
    Duration hello_time{};
    Duration forward_delay{};
    std::optional<MstPart> mst;
    std::optional<std::uint16_t> originating_vlan;  ///< PVST+ only: 0 to 4095 as it stands there

    [[nodiscard]] const BridgeId& sender() const noexcept { return mst ? mst->bridge : bridge; }
    /// Something moved: hosts may be elsewhere from now on.
    [[nodiscard]] bool tells_of_topology_change() const noexcept {
        return kind == BpduKind::topology_change || flags.topology_change();
    }
};

enum class BpduError : std::uint8_t {
    not_a_bpdu,        ///< neither LLC 42 42 03 nor SNAP 00000c 010b
    truncated,         ///< ends before its fixed part, or before its 802.3 length
    unknown_protocol,  ///< protocol identifier other than 0 (1 is GARP)
    unknown_type,      ///< type and version that no standard knows
};
[[nodiscard]] std::string_view name_of(BpduError error) noexcept;

/// From the protocol identifier on; bytes behind the BPDU are padding. What is meant to be an MST BPDU but is not whole
/// is read as the RST BPDU that it begins with, as 802.1Q section 14.5 has it.
[[nodiscard]] Result<Bpdu, BpduError> parse_bpdu(Bytes bpdu);

struct BpduFrame {
    MacAddress source;
    std::uint16_t vid = 0;  ///< of the outermost tag; 0: none
    bool pvst = false;
    Bpdu bpdu;

    /// A PVST+ BPDU that says it began in another VLAN than its tag's: two VLANs are joined somewhere.
    [[nodiscard]] bool vlan_mismatch() const noexcept {
        return vid != 0 && bpdu.originating_vlan && *bpdu.originating_vlan != vid;
    }
};

/// A whole Ethernet frame with 0 to 2 tags.
[[nodiscard]] Result<BpduFrame, BpduError> parse_bpdu_frame(Bytes frame);

/// The little that the datapath asks for, without allocating. nullopt: no BPDU, or one that names no root.
struct ClaimedRoot {
    std::uint16_t vid = 0;  ///< of the outermost tag; 0: none
    BridgeId root;
};
[[nodiscard]] std::optional<ClaimedRoot> claimed_root(Bytes frame) noexcept;

}  // namespace isthmus::stp_guard
