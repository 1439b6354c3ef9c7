#include <algorithm>
#include <array>

#include "tunnel/control_message.h"

namespace isthmus::tunnel {

namespace {

constexpr std::size_t kRandomVectorSize = 16;

Bytes bytes_of(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Writes AVPs, and hides those that may be hidden behind one Random Vector.
class BodyWriter {
  public:
    BodyWriter(MessageType type, std::optional<Hiding> hiding) : hiding_(hiding) {
        out_.u16(avp::kMessageType, static_cast<std::uint16_t>(type));
    }

    BodyWriter& add(AvpKey key, Bytes value) {
        const AvpRule* rule = rule_of(key);
        value = value.first(std::min<std::size_t>(value.size(), rule->max_size));
        if (!hiding_ || !rule->may_hide) {
            out_.add(key, value);
            return *this;
        }
        if (random_vector_.empty()) {
            random_vector_.resize(kRandomVectorSize);
            hiding_->rng.fill(random_vector_);
            out_.add(avp::kRandomVector, random_vector_);
        }
        const auto hidden = hiding_->hider.hide(key, value, random_vector_, hiding_->rng);
        out_.add(AvpView{key, rule->mandatory_bit, true, hidden});
        return *this;
    }
    BodyWriter& u16(AvpKey key, std::uint16_t value) {
        std::array<std::uint8_t, 2> raw{};
        store_be16(raw.data(), value);
        return add(key, raw);
    }
    BodyWriter& u32(AvpKey key, std::uint32_t value) {
        std::array<std::uint8_t, 4> raw{};
        store_be32(raw.data(), value);
        return add(key, raw);
    }
    BodyWriter& u64(AvpKey key, std::uint64_t value) {
        std::array<std::uint8_t, 8> raw{};
        store_be64(raw.data(), value);
        return add(key, raw);
    }
    /// Nothing where there is nothing to say.
    BodyWriter& text(AvpKey key, std::string_view value) {
        return value.empty() ? *this : add(key, bytes_of(value));
    }
    BodyWriter& octets(AvpKey key, Bytes value) { return value.empty() ? *this : add(key, value); }

    [[nodiscard]] std::vector<std::uint8_t> take() && { return std::move(out_).take(); }

  private:
    AvpWriter out_;
    std::optional<Hiding> hiding_;
    std::vector<std::uint8_t> random_vector_;
};

void write_offer(BodyWriter& out, const ConnectionOffer& offer) {
    out.text(avp::kHostName, offer.host_name);
    if (offer.router_id) out.u32(avp::kRouterId, static_cast<std::uint32_t>(*offer.router_id));
    out.octets(avp::kNonce, offer.nonce);
    out.u32(avp::kAssignedConnectionId, raw(offer.assigned_id));
    ByteWriter types;
    for (const PseudowireType type : offer.pseudowires) types.u16(static_cast<std::uint16_t>(type));
    out.add(avp::kPseudowireCapabilities, types.view());
    if (offer.receive_window) out.u16(avp::kReceiveWindowSize, *offer.receive_window);
    out.text(avp::kVendorName, offer.vendor_name);
    out.text(avp::kPreferredLanguage, offer.preferred_language);
    out.text(avp::kSoftwareVersion, offer.software_version);
    out.octets(avp::kNodeId, offer.node_id);
    out.octets(avp::kSiteId, offer.site_id);
    out.octets(avp::kBootNonce, offer.boot_nonce);
}

void write_ids(BodyWriter& out, const SessionPair& ids) {
    out.u32(avp::kLocalSessionId, raw(ids.local));
    out.u32(avp::kRemoteSessionId, raw(ids.remote));
}

void write_vccv(BodyWriter& out, AvpKey key, const std::optional<VccvCapability>& capability) {
    if (!capability) return;
    const std::array<std::uint8_t, 2> raw{capability->channels, capability->verifications};
    out.add(key, raw);
}

void write_offer(BodyWriter& out, const SessionOffer& offer) {
    if (offer.cookie.size != 0) out.add(avp::kAssignedCookie, offer.cookie.view());
    if (offer.sublayer != Sublayer::none) out.u16(avp::kSublayer, 1);
    if (offer.sequencing != SequencingLevel::none)
        out.u16(avp::kDataSequencing, static_cast<std::uint16_t>(offer.sequencing));
    if (offer.status) out.u16(avp::kCircuitStatus, offer.status->emit());
    if (offer.physical_channel) out.u32(avp::kPhysicalChannelId, *offer.physical_channel);
    if (offer.tx_speed) out.u64(avp::kTxConnectSpeed, *offer.tx_speed);
    if (offer.rx_speed) out.u64(avp::kRxConnectSpeed, *offer.rx_speed);
    if (offer.mtu) out.u16(avp::kInterfaceMtu, *offer.mtu);
    write_vccv(out, avp::kVccvCapability, offer.vccv);
    write_vccv(out, avp::kChannelCapability, offer.channel);
}

template <class R>
void write_ending(BodyWriter& out, const Ending<R>& why) {
    ByteWriter value;
    value.u16(static_cast<std::uint16_t>(why.result));
    if (why.error != ErrorCode::none || !why.message.empty()) {
        value.u16(static_cast<std::uint16_t>(why.error));
        value.text(std::string_view(why.message).substr(0, kMaxAvpValue - 4));
    }
    out.add(avp::kResultCode, value.view());
}

void write(BodyWriter&, const Ack&) {}
void write(BodyWriter&, const Hello&) {}
void write(BodyWriter&, const Scccn&) {}
void write(BodyWriter&, const Zlb&) {}
void write(BodyWriter&, const UnknownMessage&) {}

void write(BodyWriter& out, const Sccrq& message) {
    write_offer(out, message);
    if (message.tie_breaker) out.u64(avp::kTieBreaker, *message.tie_breaker);
}
void write(BodyWriter& out, const Sccrp& message) {
    write_offer(out, message);
}
void write(BodyWriter& out, const StopCcn& message) {
    write_ending(out, message.why);
    if (message.assigned_id) out.u32(avp::kAssignedConnectionId, raw(*message.assigned_id));
}
void write(BodyWriter& out, const CallRequest& message) {
    write_ids(out, message.ids);
    out.u32(avp::kSerialNumber, message.serial);
    out.u16(avp::kPseudowireType, static_cast<std::uint16_t>(message.type));
    out.add(avp::kRemoteEndId, bytes_of(message.end_id));
    if (message.tie_breaker) out.u64(avp::kTieBreaker, *message.tie_breaker);
    write_offer(out, message.offer);
    if (message.supersedes) out.u32(avp::kSupersedes, raw(*message.supersedes));
}
void write(BodyWriter& out, const CallAnswer& message) {
    write_ids(out, message.ids);
    write_offer(out, message.offer);
}
void write(BodyWriter& out, const Cdn& message) {
    write_ending(out, message.why);
    write_ids(out, message.ids);
}
void write(BodyWriter& out, const Wen& message) {
    write_ids(out, message.ids);
    ByteWriter value;
    value.u16(0);
    for (const std::uint32_t counter :
         {message.errors.crc, message.errors.framing, message.errors.hardware_overruns,
          message.errors.buffer_overruns, message.errors.timeouts, message.errors.alignment})
        value.u32(counter);
    out.add(avp::kCircuitErrors, value.view());
}
void write(BodyWriter& out, const Sli& message) {
    write_ids(out, message.ids);
    if (message.status) out.u16(avp::kCircuitStatus, message.status->emit());
    out.octets(avp::kGuardNotice, message.guard_notice);
}

}  // namespace

std::vector<std::uint8_t> emit_body(const ControlMessage& message, std::optional<Hiding> hiding) {
    if (std::holds_alternative<Zlb>(message)) return {};
    BodyWriter out(type_of(message), hiding);
    std::visit([&out](const auto& m) { write(out, m); }, message);
    return std::move(out).take();
}

}  // namespace isthmus::tunnel
