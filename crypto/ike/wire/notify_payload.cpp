#include "crypto/ike/wire/notify_payload.h"

namespace isthmus::crypto::ike {

namespace {
constexpr std::uint8_t kFixedPpkId = 2;
}

Result<NotifyPayload, std::string> NotifyPayload::parse(Bytes body) {
    ByteReader in(body);
    const auto protocol = in.u8();
    const auto size = in.u8();
    const auto type = in.u16();
    if (!protocol || !size || !type) return Unexpected(std::string("the notification's type is cut short"));
    auto spi = parse_spi(in, *size);
    if (!spi) return Unexpected(name_of(NotifyType{*type}) + ": " + spi.error());
    return NotifyPayload{
        NotifyType{*type}, {in.rest().begin(), in.rest().end()}, ProtocolId{*protocol}, *spi};
}

void NotifyPayload::emit(ByteWriter& out) const {
    out.u8(raw(protocol)).u8(static_cast<std::uint8_t>(spi_size(spi))).u16(raw(type));
    emit_spi(out, spi);
    out.bytes(data);
}

NotifyPayload invalid_ke_notify(std::uint16_t wanted_group) {
    ByteWriter data;
    data.u16(wanted_group);
    return {NotifyType::invalid_ke_payload, std::move(data).take()};
}
std::optional<std::uint16_t> wanted_group_in(const NotifyPayload& notify) {
    if (notify.type != NotifyType::invalid_ke_payload || notify.data.size() != 2) return std::nullopt;
    return load_be16(notify.data.data());
}

NotifyPayload signature_hashes_notify(std::span<const SignatureHash> hashes) {
    ByteWriter data;
    for (const SignatureHash hash : hashes) data.u16(raw(hash));
    return {NotifyType::signature_hash_algorithms, std::move(data).take()};
}
std::vector<SignatureHash> signature_hashes_in(const NotifyPayload& notify) {
    std::vector<SignatureHash> hashes;
    if (notify.type != NotifyType::signature_hash_algorithms) return hashes;
    ByteReader in(notify.data);
    while (const auto value = in.u16()) {
        const bool listed = *value >= raw(SignatureHash::sha1) && *value <= raw(SignatureHash::identity);
        if (listed && hashes.size() < raw(SignatureHash::identity)) hashes.push_back(SignatureHash{*value});
    }
    return hashes;
}

NotifyPayload unsupported_critical_notify(std::uint8_t payload_type) {
    return {NotifyType::unsupported_critical_payload, {payload_type}};
}

NotifyPayload rekey_notify(Spi spi) {
    return {NotifyType::rekey_sa, {}, ProtocolId::esp, spi};
}
NotifyPayload child_not_found_notify(Spi spi) {
    return {NotifyType::child_sa_not_found, {}, ProtocolId::esp, spi};
}

NotifyPayload invalid_spi_notify(Spi spi) {
    ByteWriter data;
    data.u32(raw(spi));
    return {NotifyType::invalid_spi, std::move(data).take()};
}
std::optional<Spi> unknown_spi_in(const NotifyPayload& notify) {
    if (notify.type != NotifyType::invalid_spi || notify.data.size() != 4) return std::nullopt;
    return Spi{load_be32(notify.data.data())};
}

NotifyPayload ppk_identity_notify(Bytes ppk_id) {
    ByteWriter data;
    data.u8(kFixedPpkId).bytes(ppk_id);
    return {NotifyType::ppk_identity, std::move(data).take()};
}
std::optional<Bytes> ppk_identity_in(const NotifyPayload& notify) {
    if (notify.type != NotifyType::ppk_identity || notify.data.size() < 2 || notify.data[0] != kFixedPpkId)
        return std::nullopt;
    return Bytes(notify.data).subspan(1);
}

}  // namespace isthmus::crypto::ike
