#include "tunnel/control_text.h"

#include <algorithm>
#include <array>

#include "base/address.h"
#include "tunnel/avp_values.h"
#include "tunnel/options.h"
#include "tunnel/result_code.h"

namespace isthmus::tunnel {

namespace {

std::string hex32(std::uint32_t value) {
    std::array<std::uint8_t, 4> raw{};
    store_be32(raw.data(), value);
    return "0x" + to_hex(raw);
}

std::string_view text_of(Bytes value) noexcept {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
}

std::string shortened_hex(Bytes value) {
    constexpr std::size_t kMost = 32;
    if (value.size() <= kMost) return to_hex(value);
    return to_hex(value.first(kMost)) + "... (" + std::to_string(value.size()) + " bytes)";
}

std::string masked(Bytes value) {
    return std::to_string(value.size()) + " bytes (masked)";
}

std::string pseudowire_name(std::uint16_t type) {
    if (type == static_cast<std::uint16_t>(PseudowireType::ethernet)) return "Ethernet (5)";
    if (type == static_cast<std::uint16_t>(PseudowireType::ethernet_vlan)) return "Ethernet VLAN (4)";
    return "type " + std::to_string(type);
}

std::string u16_text(AvpKey key, std::uint16_t value) {
    if (key == avp::kPseudowireType) return pseudowire_name(value);
    if (key == avp::kSublayer)
        return value == 0 ? "none (0)" : value == 1 ? "default (1)" : std::to_string(value);
    if (key == avp::kDataSequencing) {
        constexpr std::array<std::string_view, 3> kLevels{"none (0)", "non-IP (1)", "all (2)"};
        return value < kLevels.size() ? std::string(kLevels[value]) : std::to_string(value);
    }
    return std::to_string(value);
}

std::string u32_text(AvpKey key, Bytes value) {
    if (key == avp::kRouterId) {
        // Not necessarily an address, but mostly made from one.
        return IpAddress::v4({value[0], value[1], value[2], value[3]}).text();
    }
    if (key == avp::kSerialNumber || key == avp::kPhysicalChannelId)
        return std::to_string(load_be32(value.data()));
    return hex32(load_be32(value.data()));
}

std::string list_text(Bytes value) {
    std::string out;
    for (std::size_t i = 0; i + 1 < value.size(); i += 2) {
        if (!out.empty()) out += ", ";
        out += pseudowire_name(load_be16(value.data() + i));
    }
    return out;
}

std::string result_text(MessageType message, Bytes value) {
    const std::uint16_t result = load_be16(value.data());
    const std::uint16_t error = value.size() >= 4 ? load_be16(value.data() + 2) : 0;
    const std::string message_text = value.size() > 4 ? std::string(text_of(value.subspan(4))) : "";
    const std::string numbers = std::to_string(result) + "/" + std::to_string(error) + ", ";
    if (message == MessageType::cdn)
        return numbers + words(Ending<CdnResult>{CdnResult{result}, ErrorCode{error}, message_text});
    return numbers + words(Ending<StopResult>{StopResult{result}, ErrorCode{error}, message_text});
}

std::string counters_text(Bytes value) {
    constexpr std::array<std::string_view, 6> kNames{"CRC errors ",        "framing errors ",
                                                     "hardware overruns ", "buffer overruns ",
                                                     "timeouts ",          "alignment errors "};
    std::string out;
    const std::size_t count = (value.size() - 2) / 4;
    for (std::size_t i = 0; i < count; ++i) {
        if (!out.empty()) out += ", ";
        out += kNames[kNames.size() - count + i];
        out += std::to_string(load_be32(value.data() + 2 + 4 * i));
    }
    return out;
}

std::string digest_text(Bytes value) {
    const std::string_view algorithm = value[0] == 0   ? "HMAC-MD5"
                                       : value[0] == 1 ? "HMAC-SHA-1"
                                                       : "unknown type";
    return std::string(algorithm) + ", " + masked(value.subspan(1));
}

std::string vccv_text(Bytes value) {
    return "channels 0x" + to_hex(value.first(1)) + ", verifications 0x" + to_hex(value.subspan(1));
}

/// `value` fits the rule.
std::string value_text(const AvpRule& rule, MessageType message, Bytes value) {
    if (rule.key == avp::kNonce || rule.key == avp::kBootNonce) return masked(value);
    switch (rule.form) {
        case AvpForm::u16: return u16_text(rule.key, load_be16(value.data()));
        case AvpForm::u32: return u32_text(rule.key, value);
        case AvpForm::u64:
            return rule.key == avp::kTieBreaker ? "0x" + to_hex(value)
                                                : std::to_string(load_be64(value.data()));
        case AvpForm::text: return printable(text_of(value));
        case AvpForm::octets: return shortened_hex(value);
        case AvpForm::secret:
        case AvpForm::cookie: return masked(value);
        case AvpForm::message_type: return name_of(MessageType{load_be16(value.data())});
        case AvpForm::result_code: return result_text(message, value);
        case AvpForm::list_u16: return list_text(value);
        case AvpForm::digest: return digest_text(value);
        case AvpForm::circuit_status: return CircuitStatus::parse(load_be16(value.data())).text();
        case AvpForm::circuit_errors: return counters_text(value);
        case AvpForm::vccv: return vccv_text(value);
        case AvpForm::extended:
            return "vendor " + std::to_string(load_be32(value.data())) + ", type " +
                   std::to_string(load_be16(value.data() + 4)) + ", " + shortened_hex(value.subspan(6));
    }
    return {};
}

class Describer {
  public:
    Describer(MessageType message, const AvpHider* hider) : message_(message), hider_(hider) {}

    std::string line(const AvpView& avp) {
        const AvpRule* rule = rule_of(avp.key);
        if (avp.key == avp::kRandomVector && !avp.hidden) vector_ = avp.value;
        const std::string head = name_of(avp.key) + ": ";
        if (rule == nullptr) {
            // Unknown, so perhaps secret: its length has to do.
            return head + std::to_string(avp.value.size()) + " bytes, unknown" +
                   (avp.mandatory ? ", mandatory" : "");
        }
        if (!avp.hidden) return head + checked(*rule, avp.value);
        const auto value = hider_ == nullptr ? std::nullopt : hider_->reveal(avp.key, avp.value, vector_);
        return head + (value ? checked(*rule, *value) + " (hidden)" : "(hidden)");
    }

  private:
    [[nodiscard]] std::string checked(const AvpRule& rule, Bytes value) const {
        if (fits(rule, value.size())) return value_text(rule, message_, value);
        return std::to_string(value.size()) + " bytes, which cannot be its value";
    }

    MessageType message_;
    const AvpHider* hider_;
    Bytes vector_;
};

/// 0, which is reserved, for a message without a readable type.
MessageType type_in(Bytes body) {
    const auto first = AvpReader(body).next();
    if (!first || first->key != avp::kMessageType || first->hidden || first->value.size() != 2)
        return MessageType{};
    return MessageType{load_be16(first->value.data())};
}

std::string name_in(Bytes body) {
    if (body.empty()) return "ZLB";
    const MessageType type = type_in(body);
    return type == MessageType{} ? "message without a type" : name_of(type);
}

}  // namespace

ControlText describe(Encapsulation encapsulation, Bytes bytes, const AvpHider* hider) {
    const auto packet = ControlPacket::parse(encapsulation, bytes);
    if (!packet) return {"not a control message: " + packet.error(), {}};
    ControlText out;
    out.summary = name_in(packet->body);
    out.summary += " to " + hex32(raw(packet->header.connection)) + ", Ns " +
                   std::to_string(packet->header.ns) + ", Nr " + std::to_string(packet->header.nr) + ", " +
                   std::to_string(packet->message.size()) + " bytes";
    if (packet->trailing != 0) out.summary += " and " + std::to_string(packet->trailing) + " behind";

    AvpReader reader(packet->body);
    Describer describer(type_in(packet->body), hider);
    while (!reader.done()) {
        const auto avp = reader.next();
        if (!avp) {
            out.avps.push_back(avp.error());
            break;
        }
        if (avp->key == avp::kMessageType && out.avps.empty()) continue;  // said in the summary
        out.avps.push_back(describer.line(*avp));
    }
    return out;
}

}  // namespace isthmus::tunnel
