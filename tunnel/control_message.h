// L2TPv3 control messages as values (RFC 3931 section 6): what engines think in, and how it becomes AVPs and
// back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/rng.h"
#include "tunnel/avp.h"
#include "tunnel/avp_hiding.h"
#include "tunnel/avp_values.h"
#include "tunnel/options.h"
#include "tunnel/peer_quirks.h"
#include "tunnel/result_code.h"

namespace isthmus::tunnel {

/// RFC 3931 section 5.4.3: not necessarily an address.
enum class RouterId : std::uint32_t {};

inline constexpr std::uint16_t kDefaultReceiveWindow = 4;  ///< where the peer says nothing (section 5.4.3)

/// Who the sender of an SCCRQ or SCCRP is and what it can do.
struct ConnectionOffer {
    std::string host_name;
    std::optional<RouterId> router_id;        ///< required; nullopt only under router_id_missing
    ControlConnectionId assigned_id{};        ///< what the receiver puts into headers; not 0
    std::vector<PseudowireType> pseudowires;  ///< unknown types stay as numbers
    std::string vendor_name;                  ///< empty: absent
    std::optional<std::uint16_t> receive_window;
    std::string preferred_language;        ///< empty: absent
    std::vector<std::uint8_t> nonce;       ///< empty: absent, so no authentication
    std::string software_version;          ///< ours; empty: absent
    std::vector<std::uint8_t> node_id;     ///< ours; empty: absent
    std::vector<std::uint8_t> site_id;     ///< ours; empty: absent
    std::vector<std::uint8_t> boot_nonce;  ///< ours; empty: absent

    [[nodiscard]] std::uint16_t window() const noexcept {
        return receive_window.value_or(kDefaultReceiveWindow);
    }
    friend bool operator==(const ConnectionOffer&, const ConnectionOffer&) = default;
};

struct Sccrq : ConnectionOffer {
    std::optional<std::uint64_t> tie_breaker;
    friend bool operator==(const Sccrq&, const Sccrq&) = default;
};
struct Sccrp : ConnectionOffer {
    friend bool operator==(const Sccrp&, const Sccrp&) = default;
};
struct Scccn {
    friend bool operator==(const Scccn&, const Scccn&) = default;
};
struct StopCcn {
    Ending<StopResult> why;
    std::optional<ControlConnectionId> assigned_id;  ///< the sender's; must be there after SCCRQ or SCCRP
    friend bool operator==(const StopCcn&, const StopCcn&) = default;
};
struct Hello {
    friend bool operator==(const Hello&, const Hello&) = default;
};
/// Explicit acknowledgement: no Ns of its own (section 6.15).
struct Ack {
    friend bool operator==(const Ack&, const Ack&) = default;
};
/// Zero Length Body: a header alone, the same as Ack where authentication is off.
struct Zlb {
    friend bool operator==(const Zlb&, const Zlb&) = default;
};
/// A type that we do not know, without M bit: acknowledged, else ignored.
struct UnknownMessage {
    AvpKey type;  ///< vendor and message type
    friend bool operator==(const UnknownMessage&, const UnknownMessage&) = default;
};

/// Both ends' ids of a session, as the sender of the message sees them.
struct SessionPair {
    SessionId local{};   ///< the sender's; not 0
    SessionId remote{};  ///< the receiver's; 0 while the sender does not know it
    friend bool operator==(const SessionPair&, const SessionPair&) = default;
};

/// What the sender wants to receive, and the state of its circuit. Part of all call messages.
struct SessionOffer {
    Cookie cookie;  ///< size 0: none. Not in ICCN and OCCN
    Sublayer sublayer = Sublayer::none;
    SequencingLevel sequencing = SequencingLevel::none;
    std::optional<CircuitStatus> status;    ///< required but in ICCN and OCCN
    std::optional<std::uint64_t> tx_speed;  ///< bit/s
    std::optional<std::uint64_t> rx_speed;
    std::optional<std::uint32_t> physical_channel;  ///< not in ICCN, OCRQ, OCCN
    std::optional<std::uint16_t> mtu;               ///< bytes of frame payload (RFC 4667)
    std::optional<VccvCapability> vccv;             ///< RFC 5085: over the sublayer
    std::optional<VccvCapability> channel;          ///< ours: without sublayer
    friend bool operator==(const SessionOffer&, const SessionOffer&) = default;
};

struct CallRequest {
    SessionPair ids;
    SessionOffer offer;
    std::uint32_t serial = 0;
    PseudowireType type = PseudowireType::ethernet;
    std::string end_id;  ///< Remote End ID: any bytes; shown with printable()
    std::optional<std::uint64_t> tie_breaker;
    std::optional<SessionId> supersedes;  ///< ours: the sender's session that this one replaces
    friend bool operator==(const CallRequest&, const CallRequest&) = default;
};
struct CallAnswer {
    SessionPair ids;
    SessionOffer offer;
    friend bool operator==(const CallAnswer&, const CallAnswer&) = default;
};

struct Icrq : CallRequest {
    friend bool operator==(const Icrq&, const Icrq&) = default;
};
struct Ocrq : CallRequest {
    friend bool operator==(const Ocrq&, const Ocrq&) = default;
};
struct Icrp : CallAnswer {
    friend bool operator==(const Icrp&, const Icrp&) = default;
};
struct Ocrp : CallAnswer {
    friend bool operator==(const Ocrp&, const Ocrp&) = default;
};
struct Iccn : CallAnswer {
    friend bool operator==(const Iccn&, const Iccn&) = default;
};
struct Occn : CallAnswer {
    friend bool operator==(const Occn&, const Occn&) = default;
};
struct Cdn {
    SessionPair ids;
    Ending<CdnResult> why;
    friend bool operator==(const Cdn&, const Cdn&) = default;
};
struct Wen {
    SessionPair ids;
    CircuitErrors errors;
    friend bool operator==(const Wen&, const Wen&) = default;
};
struct Sli {
    SessionPair ids;
    std::optional<CircuitStatus> status;
    std::vector<std::uint8_t> guard_notice;  ///< ours; empty: absent
    friend bool operator==(const Sli&, const Sli&) = default;
};

using ControlMessage = std::variant<Zlb, Ack, Hello, Sccrq, Sccrp, Scccn, StopCcn, Icrq, Icrp, Iccn, Ocrq,
                                    Ocrp, Occn, Cdn, Wen, Sli, UnknownMessage>;

/// Ack for a Zlb; the number for an UnknownMessage.
[[nodiscard]] MessageType type_of(const ControlMessage& message) noexcept;
/// "SCCRQ", "ZLB", "message type 99"
[[nodiscard]] std::string name_of(const ControlMessage& message);
/// The ids of a message about a session.
[[nodiscard]] std::optional<SessionPair> session_of(const ControlMessage& message) noexcept;

/// What a message with a fault must bring down, and nothing more (sections 5.2 and 7.1).
enum class FaultScope : std::uint8_t { session, control_connection };

/// Why a message cannot be used, and what to tell the peer.
struct MessageFault {
    FaultScope scope{};
    ErrorCode error{};
    std::string text;  ///< names the AVP and what is wrong; fit for the peer's Error Message and for a log
    std::optional<MessageType> type;
    SessionPair ids;  ///< as far as they were readable, for the CDN

    [[nodiscard]] Ending<StopResult> stop() const { return {StopResult::general_error, error, text}; }
    [[nodiscard]] Ending<CdnResult> disconnect() const { return {CdnResult::general_error, error, text}; }
};

struct ParsedMessage {
    ControlMessage message;
    QuirkSet quirks;  ///< rules that it took to read it
    /// AVPs that were ignored, and why, in words: unknown, malformed, not readable. None had to be understood.
    std::vector<std::string> ignored;
};

/// `body`: ControlPacket::body, verified if the control connection has a secret. `hider`: null without one; then
/// hidden AVPs are unreadable. `tolerated`: rules that are not in it are faults.
[[nodiscard]] Result<ParsedMessage, MessageFault> parse_body(Bytes body, const AvpHider* hider = nullptr,
                                                             QuirkSet tolerated = QuirkSet::all());

/// Hides every value that may be hidden.
struct Hiding {
    AvpHider hider;
    Rng& rng;
};

/// AVPs without header and digests; empty for a Zlb. The caller sees to the limits of the table (texts are cut).
[[nodiscard]] std::vector<std::uint8_t> emit_body(const ControlMessage& message,
                                                  std::optional<Hiding> hiding = std::nullopt);

}  // namespace isthmus::tunnel
