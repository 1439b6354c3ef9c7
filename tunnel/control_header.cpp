#include "tunnel/control_header.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint16_t kControl = 0x8000;          // T
constexpr std::uint16_t kLengthPresent = 0x4000;    // L
constexpr std::uint16_t kSequencePresent = 0x0800;  // S
constexpr std::uint16_t kVersionMask = 0x000f;
constexpr std::uint16_t kVersion = 3;
constexpr std::size_t kZeroWord = 4;

Result<Bytes, std::string> behind_zero_word(Bytes packet) {
    if (packet.size() < kZeroWord) return Unexpected(std::string("shorter than a Session ID"));
    if (load_be32(packet.data()) != 0)
        return Unexpected(std::string("the Session ID is not 0: a data message"));
    return packet.subspan(kZeroWord);
}

}  // namespace

void ControlHeader::emit(std::uint8_t* to, std::size_t body_size) const noexcept {
    store_be16(to, kControl | kLengthPresent | kSequencePresent | kVersion);
    store_be16(to + 2, static_cast<std::uint16_t>(kControlHeaderSize + body_size));
    store_be32(to + 4, raw(connection));
    store_be16(to + 8, ns);
    store_be16(to + 10, nr);
}

Result<ControlPacket, std::string> ControlPacket::parse(Encapsulation encapsulation, Bytes packet) {
    if (encapsulation == Encapsulation::ip) {
        auto behind = behind_zero_word(packet);
        if (!behind) return Unexpected(std::move(behind).error());
        packet = *behind;
    }
    if (packet.size() < kControlHeaderSize)
        return Unexpected(std::string("shorter than the 12 bytes of a control message header"));
    const std::uint16_t flags = load_be16(packet.data());
    if ((flags & kVersionMask) != kVersion)
        return Unexpected("Ver is " + std::to_string(flags & kVersionMask) + ", not 3");
    if ((flags & kControl) == 0) return Unexpected(std::string("the T bit is 0: a data message"));
    if ((flags & kLengthPresent) == 0) return Unexpected(std::string("the L bit is 0"));
    if ((flags & kSequencePresent) == 0) return Unexpected(std::string("the S bit is 0"));
    const std::size_t length = load_be16(packet.data() + 2);
    if (length < kControlHeaderSize)
        return Unexpected("Length is " + std::to_string(length) + ", less than the header's 12");
    if (length > packet.size())
        return Unexpected("Length is " + std::to_string(length) + ", but only " +
                          std::to_string(packet.size()) + " bytes came");
    ControlPacket out;
    out.header.connection = ControlConnectionId{load_be32(packet.data() + 4)};
    out.header.ns = load_be16(packet.data() + 8);
    out.header.nr = load_be16(packet.data() + 10);
    out.message = packet.first(length);
    out.body = out.message.subspan(kControlHeaderSize);
    out.trailing = packet.size() - length;
    return out;
}

}  // namespace isthmus::tunnel
