// What gateways of a domain tell each other about VLANs, over a session's pseudowire: so it works on static sessions too.
// Sent every second and at each change. Everything in it is a state, not a request: a lost one is made good by the next.
//
//   payload after the 36 bytes of guard_frame.h:
//   36           44     52             54      56     60
//   +------------+------+--------------+-------+------+---------------------- - - -+-----+
//   | nonce echo | seq  | tunnel count | flags | port | type 2 | length 2 | value   | MAC |   ...
//   +------------+------+--------------+-------+------+---------------------- - - -+-----+
//   nonce echo   the boot nonce that the sender last heard from the receiver; 0: none. Only a message that echoes our nonce
//                is believed, so an old one is not.
//   flags        1: the sender's end of the session has one VLAN, which the receiver may number differently
//   port         what the sender calls this session in its probes
//   parts        1 VLAN entries, 8 bytes each: VID 2 | state 1 | cause 1 | flags 2 | held for, s 2
//                2 shapes, 12 bytes each: node 8 | count 4
//                3 topology changes: VID 2 each; 4,095 stands for all
//                4 roots, 10 bytes each: VID 2 | bridge identifier 8
//                Others are skipped. VLANs have the numbers that frames on the pseudowire have: 0 where those have no tag.
//
// The frame is untagged, to 01:80:c2:00:00:0e: a peer without a guard drops it, as every bridge does with that address.
// Where a pseudowire carries tagged frames only it has a tag (GuardPort::message_tag), which says nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/guard_frame.h"
#include "stp-guard/guard_states.h"

namespace isthmus::stp_guard {

inline constexpr MacAddress kGuardMessageDestination{{0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e}};

/// One VLAN on the session that the message came over, as the sender has it.
struct VlanEntry {
    std::uint16_t vid = 0;
    VlanState state = VlanState::open;
    Cause cause = Cause::none;
    std::uint16_t flags = 0;
    std::uint16_t held_seconds = 0;  ///< until the sender may open; 65,535 and more as 65,535

    static constexpr std::uint16_t kBlocks =
        1;  ///< the sender has blocked because of a loop, and owns the block
    static constexpr std::uint16_t kProven = 2;     ///< the sender's own probes prove a loop right now
    static constexpr std::uint16_t kListening = 4;  ///< the sender's LAN carries frames, and it watches it
    static constexpr std::uint16_t kElsewhere =
        8;                                       ///< the sender gets the receiver's probes by another way too
    static constexpr std::uint16_t kHears = 16;  ///< the sender gets the receiver's probes out of the tunnel
    static constexpr std::uint16_t kFarLoop =
        32;  ///< what the sender puts into the tunnel comes back out of it
    static constexpr std::uint16_t kStorm = 64;     ///< the sender sees a storm
    static constexpr std::uint16_t kNotHere = 128;  ///< an answer: the sender does not carry this VLAN
    [[nodiscard]] constexpr bool has(std::uint16_t flag) const noexcept { return (flags & flag) != 0; }
    friend bool operator==(const VlanEntry&, const VlanEntry&) = default;
};

/// Goes up by one whenever a way of that node's went down: blocks elsewhere may be needless now.
struct ShapeEntry {
    NodeId node{};
    std::uint32_t count = 0;
    friend bool operator==(const ShapeEntry&, const ShapeEntry&) = default;
};

struct RootEntry {
    std::uint16_t vid = 0;  ///< 0: the tree of all VLANs
    BridgeId root;
    friend bool operator==(const RootEntry&, const RootEntry&) = default;
};

/// In place of a VID: all VLANs of the session.
inline constexpr std::uint16_t kAllVlans = 4095;

struct GuardMessage {
    static constexpr std::uint16_t kOneVlan =
        1;  ///< the sender's end has one VLAN, and numbers it as it likes
    Identity sender;
    std::uint64_t boot_nonce = 0;
    std::uint64_t nonce_echo = 0;
    std::uint64_t seq = 0;           ///< goes up with each message of this boot on this session
    std::uint16_t tunnel_count = 0;  ///< sessions of the sender that are up
    std::uint16_t flags = 0;
    PortId port{};
    std::vector<VlanEntry> vlans;
    std::vector<ShapeEntry> shapes;
    std::vector<std::uint16_t> topology_changes;
    std::vector<RootEntry> roots;
    friend bool operator==(const GuardMessage&, const GuardMessage&) = default;
};

enum class MessageError : std::uint8_t {
    not_a_message,   ///< no frame of the guard, or of another type or version
    truncated,       ///< ends inside its fixed part or a part's head
    bad_part,        ///< a part longer than what is left, or no multiple of its entries
    bad_vlan_entry,  ///< a VID, state or cause that does not exist
};
[[nodiscard]] std::string_view name_of(MessageError error) noexcept;

struct ReceivedMessage {
    GuardMessage message;
    Bytes sealed;  ///< what the MAC is over
    Bytes mac;
};

/// A whole frame without padding (pseudowires do not pad). Check is_authentic(sealed, mac) before believing it.
[[nodiscard]] Result<ReceivedMessage, MessageError> parse_guard_message(Bytes frame);
/// A whole frame. Entries are the caller's to keep few: kMaxEntriesPerMessage of each part fit any path.
[[nodiscard]] std::vector<std::uint8_t> emit(const GuardMessage& message, const MacAddress& source,
                                             const FrameAuthenticator& authenticator);
inline constexpr std::size_t kMaxVlansPerMessage = 64;
inline constexpr std::size_t kMaxShapesPerMessage = 16;

}  // namespace isthmus::stp_guard
