#include "tunnel/data_header.h"

namespace isthmus::tunnel {

namespace {
constexpr std::uint8_t kControlBit = 0x80;
constexpr std::uint8_t kVersionMask = 0x0f;
constexpr std::uint8_t kVersion = 3;
}  // namespace

Result<DataHeaderFront, DropReason> parse_front(Encapsulation encapsulation, Bytes packet) noexcept {
    if (encapsulation == Encapsulation::ip) {
        if (packet.size() < 4) return Unexpected(DropReason::l2tp_truncated);
        const SessionId id{load_be32(packet.data())};
        return DataHeaderFront{raw(id) == 0, id};
    }
    if (packet.size() < 2) return Unexpected(DropReason::l2tp_truncated);
    if ((packet[1] & kVersionMask) != kVersion) return Unexpected(DropReason::l2tp_bad_version);
    if (packet.size() < front_size(Encapsulation::udp)) return Unexpected(DropReason::l2tp_truncated);
    if ((packet[0] & kControlBit) != 0) return DataHeaderFront{true, {}};
    return DataHeaderFront{false, SessionId{load_be32(packet.data() + 4)}};
}

Result<DataHeader, DropReason> DataHeader::parse(Encapsulation encapsulation, std::uint8_t cookie_size,
                                                 Sublayer sublayer, Bytes packet) noexcept {
    const auto front = parse_front(encapsulation, packet);
    if (!front) return Unexpected(front.error());
    if (front->is_control) return Unexpected(DropReason::l2tp_unknown_session);

    ByteReader in(packet.subspan(front_size(encapsulation)));
    DataHeader header;
    header.session = front->session;
    const auto cookie = in.bytes(cookie_size);
    if (!cookie || cookie_size > kMaxCookieSize) return Unexpected(DropReason::l2tp_truncated);
    std::memcpy(header.cookie.bytes.data(), cookie->data(), cookie_size);
    header.cookie.size = cookie_size;
    if (sublayer == Sublayer::standard) {
        const auto word = in.u32();
        if (!word) return Unexpected(DropReason::l2tp_truncated);
        header.sublayer = SublayerWord::parse(*word);
    }
    return header;
}

HeaderTemplate::HeaderTemplate(Encapsulation encapsulation, const DataHeader& header) noexcept {
    std::uint8_t* at = bytes_.data();
    if (encapsulation == Encapsulation::udp) {
        at[1] = kVersion;
        at += 4;
    }
    store_be32(at, raw(header.session));
    at += 4;
    std::memcpy(at, header.cookie.bytes.data(), header.cookie.size);
    at += header.cookie.size;
    if (header.sublayer) {
        store_be32(at, header.sublayer->emit());
        at += kSublayerSize;
    }
    size_ = static_cast<std::uint8_t>(at - bytes_.data());
}

}  // namespace isthmus::tunnel
