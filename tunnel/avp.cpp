#include "tunnel/avp.h"

#include <algorithm>
#include <array>

namespace isthmus::tunnel {

namespace {

constexpr std::uint16_t kMandatoryBit = 0x8000;
constexpr std::uint16_t kHiddenBit = 0x4000;
constexpr std::uint16_t kLengthMask = 0x03ff;

using enum MessageType;

constexpr MessageSet kAllMessages = in(sccrq) | in(sccrp) | in(scccn) | in(stop_ccn) | in(hello) | in(ocrq) |
                                    in(ocrp) | in(occn) | in(icrq) | in(icrp) | in(iccn) | in(cdn) | in(wen) |
                                    in(sli) | in(ack);
constexpr MessageSet kOpenings = in(sccrq) | in(sccrp);
constexpr MessageSet kRequests = in(icrq) | in(ocrq);
constexpr MessageSet kReplies = in(icrp) | in(ocrp);
constexpr MessageSet kConnecteds = in(iccn) | in(occn);
constexpr MessageSet kCalls = kRequests | kReplies | kConnecteds;
constexpr MessageSet kSession = kCalls | in(cdn) | in(wen) | in(sli);
constexpr MessageSet kNone = 0;

constexpr bool kM = true;
constexpr bool kHide = true;
constexpr bool kNo = false;

// One line an AVP: name, form, M as we send it, H allowed, required in, optional in, least and most bytes.
constexpr std::array kTable = std::to_array<AvpRule>({
    {avp::kMessageType, "Message Type", AvpForm::message_type, kM, kNo, kAllMessages & ~in(ack), in(ack), 2,
     2},
    {avp::kResultCode, "Result Code", AvpForm::result_code, kM, kNo, in(stop_ccn) | in(cdn), kNone, 2,
     kMaxAvpValue},
    {avp::kTieBreaker, "Tie Breaker", AvpForm::u64, kM, kNo, kNone, in(sccrq) | kRequests, 8, 8},
    {avp::kHostName, "Host Name", AvpForm::text, kM, kNo, kOpenings, kNone, 1, kMaxAvpValue},
    {avp::kVendorName, "Vendor Name", AvpForm::text, kNo, kHide, kNone, kOpenings, 0, kMaxAvpValue},
    {avp::kReceiveWindowSize, "Receive Window Size", AvpForm::u16, kM, kNo, kNone, kOpenings, 2, 2},
    {avp::kSerialNumber, "Serial Number", AvpForm::u32, kNo, kHide, kRequests, kNone, 4, 4},
    {avp::kPhysicalChannelId, "Physical Channel ID", AvpForm::u32, kNo, kHide, kNone, in(icrq) | kReplies, 4,
     4},
    {avp::kCircuitErrors, "Circuit Errors", AvpForm::circuit_errors, kNo, kHide, in(wen), kNone, 18, 26},
    {avp::kRandomVector, "Random Vector", AvpForm::octets, kM, kNo, kNone, kAllMessages, 1, kMaxAvpValue},
    {avp::kExtendedVendor, "Extended Vendor ID AVP", AvpForm::extended, kNo, kHide, kNone, kAllMessages, 6,
     kMaxAvpValue},
    {avp::kMessageDigest, "Message Digest", AvpForm::digest, kM, kNo, kNone, kAllMessages, 17, 21},
    {avp::kRouterId, "Router ID", AvpForm::u32, kM, kNo, kOpenings, kNone, 4, 4},
    {avp::kAssignedConnectionId, "Assigned Control Connection ID", AvpForm::u32, kM, kHide, kOpenings,
     in(stop_ccn), 4, 4},
    {avp::kPseudowireCapabilities, "Pseudowire Capabilities List", AvpForm::list_u16, kM, kHide, kOpenings,
     kNone, 2, kMaxAvpValue - 1},
    {avp::kLocalSessionId, "Local Session ID", AvpForm::u32, kM, kHide, kSession, kNone, 4, 4},
    {avp::kRemoteSessionId, "Remote Session ID", AvpForm::u32, kM, kHide, kSession, kNone, 4, 4},
    {avp::kAssignedCookie, "Assigned Cookie", AvpForm::cookie, kM, kHide, kNone, kRequests | kReplies, 0, 8},
    {avp::kRemoteEndId, "Remote End ID", AvpForm::text, kM, kHide, kRequests, kNone, 0, kMaxAvpValue},
    {avp::kPseudowireType, "Pseudowire Type", AvpForm::u16, kM, kHide, kRequests, kNone, 2, 2},
    {avp::kSublayer, "L2-Specific Sublayer", AvpForm::u16, kM, kHide, kNone, kCalls, 2, 2},
    {avp::kDataSequencing, "Data Sequencing", AvpForm::u16, kM, kHide, kNone, kCalls, 2, 2},
    {avp::kCircuitStatus, "Circuit Status", AvpForm::circuit_status, kM, kHide, kRequests | kReplies,
     kConnecteds | in(sli), 2, 2},
    {avp::kPreferredLanguage, "Preferred Language", AvpForm::text, kNo, kHide, kNone, kOpenings, 0,
     kMaxAvpValue},
    {avp::kNonce, "Control Message Authentication Nonce", AvpForm::octets, kM, kNo, kNone, kOpenings, 1,
     kMaxAvpValue},
    {avp::kTxConnectSpeed, "Tx Connect Speed", AvpForm::u64, kNo, kHide, kNone, kCalls, 8, 8},
    {avp::kRxConnectSpeed, "Rx Connect Speed", AvpForm::u64, kNo, kHide, kNone, kCalls, 8, 8},
    {avp::kInterfaceMtu, "Interface Maximum Transmission Unit", AvpForm::u16, kNo, kHide, kNone, kCalls, 2,
     2},
    {avp::kVccvCapability, "VCCV Capability", AvpForm::vccv, kNo, kHide, kNone, kRequests | kReplies, 2, 2},
    {avp::kSoftwareVersion, "Software Version", AvpForm::text, kNo, kNo, kNone, kOpenings, 1, 64},
    {avp::kNodeId, "Node ID", AvpForm::octets, kNo, kNo, kNone, kOpenings, 1, 64},
    {avp::kSiteId, "Site ID", AvpForm::octets, kNo, kNo, kNone, kOpenings, 1, 64},
    {avp::kBootNonce, "Boot Nonce", AvpForm::octets, kNo, kNo, kNone, kOpenings, 8, 32},
    {avp::kSupersedes, "Supersedes Session ID", AvpForm::u32, kNo, kNo, kNone, kRequests, 4, 4},
    {avp::kChannelCapability, "Channel Capability", AvpForm::vccv, kNo, kNo, kNone, kCalls, 2, 2},
    {avp::kGuardNotice, "Guard Notice", AvpForm::octets, kNo, kNo, kNone, in(sli), 1, kMaxAvpValue},
});
static_assert(std::ranges::is_sorted(kTable, {}, &AvpRule::key), "looked up by binary search");

struct TypeName {
    MessageType type;
    std::string_view name;
};
constexpr TypeName kTypeNames[] = {
    {sccrq, "SCCRQ"}, {sccrp, "SCCRP"}, {scccn, "SCCCN"}, {stop_ccn, "StopCCN"}, {hello, "HELLO"},
    {ocrq, "OCRQ"},   {ocrp, "OCRP"},   {occn, "OCCN"},   {icrq, "ICRQ"},        {icrp, "ICRP"},
    {iccn, "ICCN"},   {cdn, "CDN"},     {wen, "WEN"},     {sli, "SLI"},          {ack, "ACK"},
};

}  // namespace

std::string name_of(MessageType type) {
    for (const TypeName& known : kTypeNames)
        if (known.type == type) return std::string(known.name);
    return "message type " + std::to_string(static_cast<std::uint16_t>(type));
}

bool is_known(MessageType type) noexcept {
    return std::ranges::any_of(kTypeNames, [type](const TypeName& known) { return known.type == type; });
}

bool is_session_message(MessageType type) noexcept {
    return is_known(type) && (in(type)&kSession) != 0;
}

std::span<const AvpRule> avp_table() noexcept {
    return kTable;
}

const AvpRule* rule_of(AvpKey key) noexcept {
    const auto at = std::ranges::lower_bound(kTable, key, {}, &AvpRule::key);
    return at != kTable.end() && at->key == key ? &*at : nullptr;
}

std::string name_of(AvpKey key) {
    if (const AvpRule* rule = rule_of(key)) return std::string(rule->name);
    const std::string type = std::to_string(key.type);
    return key.vendor == kIetfVendor ? "AVP " + type : "AVP " + std::to_string(key.vendor) + "/" + type;
}

bool fits(const AvpRule& rule, std::size_t size) noexcept {
    if (size < rule.min_size || size > rule.max_size) return false;
    switch (rule.form) {
        case AvpForm::list_u16: return size % 2 == 0;
        case AvpForm::cookie: return size == 0 || size == 4 || size == 8;
        case AvpForm::digest: return size == 17 || size == 21;
        case AvpForm::circuit_errors: return size == 18 || size == 26;
        case AvpForm::result_code: return size != 3;
        default: return true;
    }
}

Result<AvpView, std::string> AvpReader::next() {
    if (rest_.size() < kAvpHeaderSize)
        return Unexpected("an AVP is cut: " + std::to_string(rest_.size()) +
                          " bytes are left, its header has 6");
    const std::uint16_t word = load_be16(rest_.data());
    AvpView avp;
    avp.mandatory = (word & kMandatoryBit) != 0;
    avp.hidden = (word & kHiddenBit) != 0;
    avp.key = {load_be16(rest_.data() + 2), load_be16(rest_.data() + 4)};
    const std::size_t length = word & kLengthMask;
    if (length < kAvpHeaderSize)
        return Unexpected(name_of(avp.key) + ": Length is " + std::to_string(length) +
                          ", less than its header's 6");
    if (length > rest_.size())
        return Unexpected(name_of(avp.key) + ": Length is " + std::to_string(length) + ", but only " +
                          std::to_string(rest_.size()) + " bytes are left");
    avp.value = rest_.subspan(kAvpHeaderSize, length - kAvpHeaderSize);
    rest_ = rest_.subspan(length);
    return avp;
}

AvpWriter& AvpWriter::add(const AvpView& avp) {
    const std::size_t size = std::min(avp.value.size(), kMaxAvpValue);
    out_.u16(static_cast<std::uint16_t>((avp.mandatory ? kMandatoryBit : 0) | (avp.hidden ? kHiddenBit : 0) |
                                        (kAvpHeaderSize + size)));
    out_.u16(avp.key.vendor).u16(avp.key.type).bytes(avp.value.first(size));
    return *this;
}

AvpWriter& AvpWriter::add(AvpKey key, Bytes value) {
    const AvpRule* rule = rule_of(key);
    return add(AvpView{key, rule != nullptr && rule->mandatory_bit, false, value});
}

AvpWriter& AvpWriter::u16(AvpKey key, std::uint16_t value) {
    std::array<std::uint8_t, 2> raw{};
    store_be16(raw.data(), value);
    return add(key, raw);
}

AvpWriter& AvpWriter::u32(AvpKey key, std::uint32_t value) {
    std::array<std::uint8_t, 4> raw{};
    store_be32(raw.data(), value);
    return add(key, raw);
}

AvpWriter& AvpWriter::u64(AvpKey key, std::uint64_t value) {
    std::array<std::uint8_t, 8> raw{};
    store_be64(raw.data(), value);
    return add(key, raw);
}

AvpWriter& AvpWriter::text(AvpKey key, std::string_view value) {
    return add(key, Bytes(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()));
}

}  // namespace isthmus::tunnel
