// Attribute Value Pairs of L2TPv3 control messages (RFC 3931 section 5): their wire form, and the one table of
// all that we know.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |M|H| rsvd  |      Length       |           Vendor ID           |   section 5.1; Length counts from the M bit
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |         Attribute Type        |        Attribute Value ...        until Length is reached
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::tunnel {

inline constexpr std::size_t kAvpHeaderSize = 6;
inline constexpr std::size_t kMaxAvpValue = 1023 - kAvpHeaderSize;

/// Private Enterprise Numbers. 32473 is reserved for documentation (RFC 5612): ours until the project has its
/// own.
inline constexpr std::uint16_t kIetfVendor = 0;
inline constexpr std::uint16_t kCiscoVendor = 9;
inline constexpr std::uint16_t kOwnVendor = 32473;

/// Message types (RFC 3931 section 3.1).
enum class MessageType : std::uint16_t {
    sccrq = 1,
    sccrp = 2,
    scccn = 3,
    stop_ccn = 4,
    hello = 6,
    ocrq = 7,
    ocrp = 8,
    occn = 9,
    icrq = 10,
    icrp = 11,
    iccn = 12,
    cdn = 14,
    wen = 15,
    sli = 16,
    ack = 20,
};
/// "SCCRQ"; "ZLB" is not a type. Unknown types: "message type 99".
[[nodiscard]] std::string name_of(MessageType type);
[[nodiscard]] bool is_known(MessageType type) noexcept;
/// True for messages about one session: OCRQ to SLI, but HELLO (section 5.2).
[[nodiscard]] bool is_session_message(MessageType type) noexcept;

struct AvpKey {
    std::uint16_t vendor = kIetfVendor;
    std::uint16_t type = 0;
    friend constexpr auto operator<=>(const AvpKey&, const AvpKey&) = default;
};

namespace avp {
inline constexpr AvpKey kMessageType{kIetfVendor, 0};
inline constexpr AvpKey kResultCode{kIetfVendor, 1};
inline constexpr AvpKey kTieBreaker{kIetfVendor, 5};  ///< of a control connection or of a session
inline constexpr AvpKey kHostName{kIetfVendor, 7};
inline constexpr AvpKey kVendorName{kIetfVendor, 8};
inline constexpr AvpKey kReceiveWindowSize{kIetfVendor, 10};
inline constexpr AvpKey kSerialNumber{kIetfVendor, 15};
inline constexpr AvpKey kPhysicalChannelId{kIetfVendor, 25};
inline constexpr AvpKey kCircuitErrors{kIetfVendor, 34};
inline constexpr AvpKey kRandomVector{kIetfVendor, 36};
inline constexpr AvpKey kExtendedVendor{kIetfVendor, 58};
inline constexpr AvpKey kMessageDigest{kIetfVendor, 59};
inline constexpr AvpKey kRouterId{kIetfVendor, 60};
inline constexpr AvpKey kAssignedConnectionId{kIetfVendor, 61};
inline constexpr AvpKey kPseudowireCapabilities{kIetfVendor, 62};
inline constexpr AvpKey kLocalSessionId{kIetfVendor, 63};
inline constexpr AvpKey kRemoteSessionId{kIetfVendor, 64};
inline constexpr AvpKey kAssignedCookie{kIetfVendor, 65};
inline constexpr AvpKey kRemoteEndId{kIetfVendor, 66};
inline constexpr AvpKey kPseudowireType{kIetfVendor, 68};
inline constexpr AvpKey kSublayer{kIetfVendor, 69};
inline constexpr AvpKey kDataSequencing{kIetfVendor, 70};
inline constexpr AvpKey kCircuitStatus{kIetfVendor, 71};
inline constexpr AvpKey kPreferredLanguage{kIetfVendor, 72};
inline constexpr AvpKey kNonce{kIetfVendor, 73};
inline constexpr AvpKey kTxConnectSpeed{kIetfVendor, 74};
inline constexpr AvpKey kRxConnectSpeed{kIetfVendor, 75};
inline constexpr AvpKey kInterfaceMtu{kIetfVendor, 91};    ///< RFC 4667 section 4.3
inline constexpr AvpKey kVccvCapability{kIetfVendor, 96};  ///< RFC 5085 section 6.3.1
// Ours, never with the M bit: a peer that does not know them loses nothing.
inline constexpr AvpKey kSoftwareVersion{kOwnVendor, 1};
inline constexpr AvpKey kNodeId{kOwnVendor, 2};      ///< tells gateways apart; equal ones are cloned images
inline constexpr AvpKey kSiteId{kOwnVendor, 3};      ///< gateways of one site share it
inline constexpr AvpKey kBootNonce{kOwnVendor, 4};   ///< of this run of the program: a new one says restarted
inline constexpr AvpKey kSupersedes{kOwnVendor, 5};  ///< sender's Session ID that this session is to replace
inline constexpr AvpKey kChannelCapability{kOwnVendor, 6};  ///< the channel of tunnel/vccv.h without sublayer
inline constexpr AvpKey kGuardNotice{kOwnVendor, 7};        ///< what the guards tell each other
}  // namespace avp

/// How a value is laid out: decides its legal lengths and how it is shown.
enum class AvpForm : std::uint8_t {
    u16,
    u32,
    u64,
    text,            ///< bytes meant for people
    octets,          ///< bytes, shown in hex
    secret,          ///< bytes that are never shown
    message_type,    ///< u16
    result_code,     ///< u16, or u16 u16 and text
    list_u16,        ///< one or more
    cookie,          ///< 0, 4 or 8 bytes, never shown
    digest,          ///< type, then 16 or 20 bytes, never shown
    circuit_status,  ///< u16 of bits
    circuit_errors,  ///< 2 reserved bytes, then four or six u32
    vccv,            ///< two bytes of bits
    extended,        ///< u32 vendor, u16 type, value
};

/// Bit n: the message of type n.
using MessageSet = std::uint32_t;
[[nodiscard]] constexpr MessageSet in(MessageType type) noexcept {
    return MessageSet{1} << static_cast<std::uint16_t>(type);
}

/// What the table says of an AVP.
struct AvpRule {
    AvpKey key;
    std::string_view name;
    AvpForm form{};
    bool mandatory_bit = false;  ///< how we set M; never looked at in what we know (section 5.2)
    bool may_hide = false;
    MessageSet required = 0;  ///< messages that lack something without it
    MessageSet optional = 0;
    std::uint16_t min_size = 0;  ///< of the value, before hiding
    std::uint16_t max_size = kMaxAvpValue;
};

/// RFC 3931 section 5.4, RFC 4667, RFC 5085, and ours; by key.
[[nodiscard]] std::span<const AvpRule> avp_table() noexcept;
/// Null: unknown to us.
[[nodiscard]] const AvpRule* rule_of(AvpKey key) noexcept;
/// "Host Name"; for unknown ones "AVP 99" or "AVP 9/7" (vendor/type).
[[nodiscard]] std::string name_of(AvpKey key);
/// Whether a value of this many bytes can be one of this AVP.
[[nodiscard]] bool fits(const AvpRule& rule, std::size_t value_size) noexcept;

/// One AVP as it is on the wire. A view into the message.
struct AvpView {
    AvpKey key;
    bool mandatory = false;
    bool hidden = false;
    Bytes value;
};

/// Cuts AVPs off the front of a message's body.
class AvpReader {
  public:
    explicit AvpReader(Bytes body) noexcept : rest_(body) {}
    [[nodiscard]] bool done() const noexcept { return rest_.empty(); }
    /// Error, as a sentence: a Length below 6 or past the end. Then nothing behind it can be read.
    [[nodiscard]] Result<AvpView, std::string> next();

  private:
    Bytes rest_;
};

/// Appends AVPs to a body. Values must fit kMaxAvpValue: longer texts are cut.
class AvpWriter {
  public:
    /// With the M bit of the table (0 for unknown keys).
    AvpWriter& add(AvpKey key, Bytes value);
    AvpWriter& add(const AvpView& avp);
    AvpWriter& u16(AvpKey key, std::uint16_t value);
    AvpWriter& u32(AvpKey key, std::uint32_t value);
    AvpWriter& u64(AvpKey key, std::uint64_t value);
    AvpWriter& text(AvpKey key, std::string_view value);

    [[nodiscard]] Bytes view() const noexcept { return out_.view(); }
    [[nodiscard]] std::vector<std::uint8_t> take() && { return std::move(out_).take(); }

  private:
    ByteWriter out_;
};

}  // namespace isthmus::tunnel
