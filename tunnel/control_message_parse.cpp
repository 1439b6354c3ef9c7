#include <algorithm>

#include "tunnel/control_message.h"

namespace isthmus::tunnel {

namespace {

/// An AVP that we know, revealed, of a legal length.
struct Field {
    const AvpRule* rule = nullptr;
    bool mandatory = false;
    std::vector<std::uint8_t> value;
};

bool is_l2tpv2_avp(AvpKey key) noexcept {
    // RFC 2661 section 4.4.3: Protocol Version, Framing and Bearer Capabilities, Firmware Revision.
    return key.vendor == kIetfVendor && (key.type == 2 || key.type == 3 || key.type == 4 || key.type == 6);
}

/// Reads a body into fields; remembers the first fault and goes on, so that the ids are found for the answer.
class Collector {
  public:
    Collector(MessageType type, const AvpHider* hider, const QuirkSet& tolerated)
        : type_(type), hider_(hider), tolerated_(tolerated) {}

    void collect(AvpReader reader) {
        while (!reader.done()) {
            const auto avp = reader.next();
            if (!avp) {
                // Where the next AVP begins is not known: nothing behind can be trusted.
                fault(ErrorCode::wrong_length, avp.error());
                return;
            }
            take(*avp);
        }
    }

    /// Null: absent.
    [[nodiscard]] const Field* find(AvpKey key) const noexcept {
        const auto at = std::ranges::find_if(fields_, [&](const Field& f) { return f.rule->key == key; });
        return at == fields_.end() ? nullptr : &*at;
    }
    void fault(ErrorCode error, std::string text) {
        if (fault_) return;
        fault_ =
            MessageFault{is_session_message(type_) ? FaultScope::session : FaultScope::control_connection,
                         error,
                         name_of(type_) + ": " + std::move(text),
                         type_,
                         {}};
    }
    void missing(AvpKey key) { fault(ErrorCode::vendor_specific, name_of(key) + " is missing"); }
    /// A value that cannot be: fatal if its M bit says so (section 7.1).
    void out_of_range(const Field& field, const std::string& what) {
        const std::string text = std::string(field.rule->name) + ": " + what;
        if (field.mandatory) return fault(ErrorCode::out_of_range, text);
        ignored_.push_back(text);
    }
    /// False: the rule is switched off, and the caller reports what is wrong.
    [[nodiscard]] bool tolerate(Quirk quirk) {
        if (!tolerated_.has(quirk)) return false;
        quirks_.add(quirk);
        return true;
    }

    [[nodiscard]] const std::optional<MessageFault>& fault() const noexcept { return fault_; }
    [[nodiscard]] MessageType type() const noexcept { return type_; }
    [[nodiscard]] const QuirkSet& quirks() const noexcept { return quirks_; }
    [[nodiscard]] std::vector<std::string> take_ignored() { return std::move(ignored_); }

  private:
    void take(const AvpView& avp) {
        const AvpRule* rule = rule_of(avp.key);
        if (rule == nullptr) return unknown(avp);
        if (rule->key == avp::kRandomVector && !avp.hidden) {
            random_vector_ = avp.value;
            return;
        }
        // Checked before this message was believed; its place is not looked at here.
        if (rule->key == avp::kMessageDigest || rule->key == avp::kExtendedVendor) return;
        auto value = avp.hidden ? reveal(avp, *rule) : std::vector(avp.value.begin(), avp.value.end());
        if (!value) return;
        if (!fits(*rule, value->size())) {
            const std::string text =
                std::string(rule->name) + ": " + std::to_string(value->size()) + " bytes cannot be its value";
            return avp.mandatory ? fault(ErrorCode::wrong_length, text) : ignored_.push_back(text);
        }
        if (find(avp.key) != nullptr) {
            if (!tolerate(Quirk::duplicate_avp))
                fault(ErrorCode::vendor_specific, std::string(rule->name) + " comes twice");
            return;
        }
        fields_.push_back({rule, avp.mandatory, std::move(*value)});
    }

    void unknown(const AvpView& avp) {
        if (is_l2tpv2_avp(avp.key) && tolerate(Quirk::l2tpv2_avps)) return;
        if (avp.key.vendor == kCiscoVendor && tolerate(Quirk::cisco_draft_avps)) return;
        if (avp.mandatory)
            return fault(ErrorCode::unknown_mandatory_avp,
                         name_of(avp.key) + " is unknown here and has the M bit");
        ignored_.push_back(name_of(avp.key) + " is unknown");
    }

    std::optional<std::vector<std::uint8_t>> reveal(const AvpView& avp, const AvpRule& rule) {
        const auto unusable = [&](std::string_view why) -> std::optional<std::vector<std::uint8_t>> {
            const std::string text = std::string(rule.name) + " is hidden, " + std::string(why);
            if (avp.mandatory) {
                fault(ErrorCode::vendor_specific, text);
            } else {
                ignored_.push_back(text);
            }
            return std::nullopt;
        };
        if (!rule.may_hide && !tolerate(Quirk::hidden_without_rules)) return unusable("which it must not be");
        if (hider_ == nullptr) return unusable("but there is no shared secret");
        if (!random_vector_) return unusable("but no Random Vector comes before it");
        auto value = hider_->reveal(avp.key, avp.value, *random_vector_);
        if (!value) return unusable("but not with our secret");
        return value;
    }

    MessageType type_;
    const AvpHider* hider_;
    QuirkSet tolerated_;
    std::optional<Bytes> random_vector_;
    std::vector<Field> fields_;
    std::optional<MessageFault> fault_;
    QuirkSet quirks_;
    std::vector<std::string> ignored_;
};

// Typed access. Lengths have been checked against the table.

std::optional<std::uint16_t> u16(const Collector& in, AvpKey key) {
    const Field* field = in.find(key);
    return field == nullptr ? std::nullopt : std::optional(load_be16(field->value.data()));
}
std::optional<std::uint32_t> u32(const Collector& in, AvpKey key) {
    const Field* field = in.find(key);
    return field == nullptr ? std::nullopt : std::optional(load_be32(field->value.data()));
}
std::optional<std::uint64_t> u64(const Collector& in, AvpKey key) {
    const Field* field = in.find(key);
    return field == nullptr ? std::nullopt : std::optional(load_be64(field->value.data()));
}
std::string text(const Collector& in, AvpKey key) {
    const Field* field = in.find(key);
    return field == nullptr ? std::string() : std::string(field->value.begin(), field->value.end());
}
std::vector<std::uint8_t> octets(const Collector& in, AvpKey key) {
    const Field* field = in.find(key);
    return field == nullptr ? std::vector<std::uint8_t>() : field->value;
}
std::optional<VccvCapability> vccv(const Collector& in, AvpKey key) {
    const Field* field = in.find(key);
    if (field == nullptr) return std::nullopt;
    return VccvCapability{field->value[0], field->value[1]};
}

/// An id that must be there; not 0 unless `zero_is_fine`.
std::uint32_t required_id(Collector& in, AvpKey key, bool zero_is_fine) {
    const auto id = u32(in, key);
    if (!id) in.missing(key);
    if (id == 0U && !zero_is_fine) in.fault(ErrorCode::out_of_range, name_of(key) + " is 0");
    return id.value_or(0);
}

void read_router_id(Collector& in, ConnectionOffer& offer) {
    const auto id = u32(in, avp::kRouterId);
    if (!id && !in.tolerate(Quirk::router_id_missing)) in.missing(avp::kRouterId);
    if (id == 0U && !in.tolerate(Quirk::router_id_zero)) in.fault(ErrorCode::out_of_range, "Router ID is 0");
    if (id) offer.router_id = RouterId{*id};
}

void read_window(Collector& in, ConnectionOffer& offer) {
    offer.receive_window = u16(in, avp::kReceiveWindowSize);
    if (offer.receive_window != 0) return;
    if (in.tolerate(Quirk::zero_window)) {
        offer.receive_window = 1;
    } else {
        in.fault(ErrorCode::out_of_range, "Receive Window Size is 0");
    }
}

void read_offer(Collector& in, ConnectionOffer& offer) {
    offer.host_name = text(in, avp::kHostName);
    if (offer.host_name.empty()) in.missing(avp::kHostName);
    read_router_id(in, offer);
    offer.assigned_id = ControlConnectionId{required_id(in, avp::kAssignedConnectionId, false)};
    const auto types = octets(in, avp::kPseudowireCapabilities);
    if (types.empty()) in.missing(avp::kPseudowireCapabilities);
    for (std::size_t i = 0; i + 1 < types.size(); i += 2)
        offer.pseudowires.push_back(PseudowireType{load_be16(types.data() + i)});
    read_window(in, offer);
    offer.vendor_name = text(in, avp::kVendorName);
    offer.preferred_language = text(in, avp::kPreferredLanguage);
    offer.nonce = octets(in, avp::kNonce);
    offer.software_version = text(in, avp::kSoftwareVersion);
    offer.node_id = octets(in, avp::kNodeId);
    offer.site_id = octets(in, avp::kSiteId);
    offer.boot_nonce = octets(in, avp::kBootNonce);
}

SessionPair read_ids(Collector& in) {
    SessionPair ids;
    const bool is_request = in.type() == MessageType::icrq || in.type() == MessageType::ocrq;
    const bool is_cdn = in.type() == MessageType::cdn;
    // A peer that refuses a session may have no id of its own for it.
    ids.local = SessionId{required_id(in, avp::kLocalSessionId, is_cdn)};
    const auto remote = u32(in, avp::kRemoteSessionId);
    if (!remote && !(is_request && in.tolerate(Quirk::remote_session_id_missing)))
        in.missing(avp::kRemoteSessionId);
    ids.remote = SessionId{remote.value_or(0)};
    return ids;
}

void read_sublayer(Collector& in, SessionOffer& offer) {
    const Field* field = in.find(avp::kSublayer);
    if (field == nullptr) return;
    const std::uint16_t value = load_be16(field->value.data());
    if (value == 1) offer.sublayer = Sublayer::standard;
    if (value > 1)
        in.out_of_range(*field, "type " + std::to_string(value) + " is neither none (0) nor default (1)");
}

void read_sequencing(Collector& in, SessionOffer& offer) {
    const Field* field = in.find(avp::kDataSequencing);
    if (field == nullptr) return;
    const std::uint16_t value = load_be16(field->value.data());
    if (value > 2) return in.out_of_range(*field, "level " + std::to_string(value) + " is not 0, 1 or 2");
    offer.sequencing = SequencingLevel{value};
}

SessionOffer read_session_offer(Collector& in, bool status_required) {
    SessionOffer offer;
    if (const Field* field = in.find(avp::kAssignedCookie)) {
        offer.cookie.size = static_cast<std::uint8_t>(field->value.size());
        std::ranges::copy(field->value, offer.cookie.bytes.begin());
    }
    read_sublayer(in, offer);
    read_sequencing(in, offer);
    if (const auto bits = u16(in, avp::kCircuitStatus)) {
        offer.status = CircuitStatus::parse(*bits);
    } else if (status_required) {
        if (in.tolerate(Quirk::circuit_status_missing)) {
            offer.status = CircuitStatus{};
        } else {
            in.missing(avp::kCircuitStatus);
        }
    }
    offer.tx_speed = u64(in, avp::kTxConnectSpeed);
    offer.rx_speed = u64(in, avp::kRxConnectSpeed);
    offer.physical_channel = u32(in, avp::kPhysicalChannelId);
    offer.mtu = u16(in, avp::kInterfaceMtu);
    offer.vccv = vccv(in, avp::kVccvCapability);
    offer.channel = vccv(in, avp::kChannelCapability);
    return offer;
}

template <class R>
Ending<R> read_ending(Collector& in) {
    Ending<R> why;
    const Field* field = in.find(avp::kResultCode);
    if (field == nullptr) {
        in.missing(avp::kResultCode);
        return why;
    }
    const Bytes value(field->value);
    why.result = R{load_be16(value.data())};
    // SoftEther's reason has slipped by a field: what follows a result of 0 is neither error nor message.
    if (why.result == R{} && value.size() > 2 && in.tolerate(Quirk::result_code_shifted)) return why;
    if (value.size() >= 4) {
        why.error = ErrorCode{load_be16(value.data() + 2)};
        why.message.assign(value.begin() + 4, value.end());
    }
    return why;
}

template <class M>
M read_request(Collector& in) {
    M message;
    message.ids = read_ids(in);
    message.offer = read_session_offer(in, true);
    const auto serial = u32(in, avp::kSerialNumber);
    if (!serial && !in.tolerate(Quirk::serial_number_missing)) in.missing(avp::kSerialNumber);
    message.serial = serial.value_or(0);
    const auto type = u16(in, avp::kPseudowireType);
    if (!type) in.missing(avp::kPseudowireType);
    message.type = PseudowireType{type.value_or(0)};
    if (in.find(avp::kRemoteEndId) == nullptr) in.missing(avp::kRemoteEndId);
    message.end_id = text(in, avp::kRemoteEndId);
    message.tie_breaker = u64(in, avp::kTieBreaker);
    if (const auto old = u32(in, avp::kSupersedes)) message.supersedes = SessionId{*old};
    return message;
}

template <class M>
M read_answer(Collector& in, bool status_required) {
    M message;
    message.ids = read_ids(in);
    message.offer = read_session_offer(in, status_required);
    return message;
}

Wen read_wen(Collector& in) {
    Wen message;
    message.ids = read_ids(in);
    const Field* field = in.find(avp::kCircuitErrors);
    if (field == nullptr) {
        in.missing(avp::kCircuitErrors);
        return message;
    }
    ByteReader reader(Bytes(field->value).subspan(2));
    CircuitErrors& errors = message.errors;
    if (reader.remaining() == 24) {
        errors.crc = *reader.u32();
        errors.framing = *reader.u32();
    }
    errors.hardware_overruns = *reader.u32();
    errors.buffer_overruns = *reader.u32();
    errors.timeouts = *reader.u32();
    errors.alignment = *reader.u32();
    return message;
}

ControlMessage read_message(Collector& in) {
    switch (in.type()) {
        case MessageType::sccrq: {
            Sccrq message;
            read_offer(in, message);
            message.tie_breaker = u64(in, avp::kTieBreaker);
            return message;
        }
        case MessageType::sccrp: {
            Sccrp message;
            read_offer(in, message);
            return message;
        }
        case MessageType::stop_ccn: {
            StopCcn message{read_ending<StopResult>(in), std::nullopt};
            if (const auto id = u32(in, avp::kAssignedConnectionId))
                message.assigned_id = ControlConnectionId{*id};
            return message;
        }
        case MessageType::cdn: {
            const auto why = read_ending<CdnResult>(in);
            return Cdn{read_ids(in), why};
        }
        case MessageType::sli: {
            Sli message{read_ids(in), std::nullopt, octets(in, avp::kGuardNotice)};
            if (const auto bits = u16(in, avp::kCircuitStatus)) message.status = CircuitStatus::parse(*bits);
            return message;
        }
        case MessageType::icrq: return read_request<Icrq>(in);
        case MessageType::ocrq: return read_request<Ocrq>(in);
        case MessageType::icrp: return read_answer<Icrp>(in, true);
        case MessageType::ocrp: return read_answer<Ocrp>(in, true);
        case MessageType::iccn: return read_answer<Iccn>(in, false);
        case MessageType::occn: return read_answer<Occn>(in, false);
        case MessageType::wen: return read_wen(in);
        case MessageType::scccn: return Scccn{};
        case MessageType::hello: return Hello{};
        case MessageType::ack: break;
    }
    return Ack{};
}

MessageFault connection_fault(ErrorCode error, std::string text) {
    return {FaultScope::control_connection, error, std::move(text), std::nullopt, {}};
}

/// The Message Type AVP at the front; what it says, and whether the message must be understood.
struct Head {
    AvpKey type;
    bool mandatory = false;
};

Result<Head, MessageFault> read_head(AvpReader& reader) {
    const auto avp = reader.next();
    if (!avp) return Unexpected(connection_fault(ErrorCode::wrong_length, avp.error()));
    if (avp->key.type != avp::kMessageType.type)
        return Unexpected(connection_fault(ErrorCode::out_of_range,
                                           "the first AVP is " + name_of(avp->key) + ", not Message Type"));
    if (avp->hidden) return Unexpected(connection_fault(ErrorCode::out_of_range, "Message Type is hidden"));
    if (avp->value.size() != 2)
        return Unexpected(
            connection_fault(ErrorCode::wrong_length,
                             "Message Type: Length is " + std::to_string(avp->value.size() + 6) + ", not 8"));
    return Head{{avp->key.vendor, load_be16(avp->value.data())}, avp->mandatory};
}

}  // namespace

Result<ParsedMessage, MessageFault> parse_body(Bytes body, const AvpHider* hider, QuirkSet tolerated) {
    if (body.empty()) return ParsedMessage{Zlb{}, {}, {}};
    AvpReader reader(body);
    const auto head = read_head(reader);
    if (!head) return Unexpected(head.error());
    const MessageType type{head->type.type};
    if (head->type.vendor != kIetfVendor || !is_known(type)) {
        const UnknownMessage unknown{head->type};
        if (!head->mandatory) return ParsedMessage{unknown, {}, {}};
        return Unexpected(
            connection_fault(ErrorCode::out_of_range,
                             name_of(ControlMessage(unknown)) + " is unknown here and has the M bit"));
    }
    Collector in(type, hider, tolerated);
    in.collect(reader);
    ControlMessage message = read_message(in);
    if (in.fault()) {
        MessageFault fault = *in.fault();
        fault.ids = {SessionId{u32(in, avp::kLocalSessionId).value_or(0)},
                     SessionId{u32(in, avp::kRemoteSessionId).value_or(0)}};
        return Unexpected(std::move(fault));
    }
    return ParsedMessage{std::move(message), in.quirks(), in.take_ignored()};
}

}  // namespace isthmus::tunnel
