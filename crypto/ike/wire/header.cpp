#include "crypto/ike/wire/header.h"

namespace isthmus::crypto::ike {

namespace {
constexpr std::uint8_t kInitiatorFlag = 0x08;
constexpr std::uint8_t kVersionFlag = 0x10;
constexpr std::uint8_t kResponseFlag = 0x20;
constexpr std::uint8_t kVersion2 = 0x20;
constexpr unsigned kMajorVersion = 2;
}  // namespace

Result<Header, ParseError> Header::parse(Bytes datagram) {
    if (datagram.size() < kHeaderSize)
        return Unexpected(ParseError{"header: " + std::to_string(datagram.size()) + " bytes are below 28"});
    ByteReader in(datagram);
    Header header;
    header.initiator_spi = IkeSpi{*in.u64()};
    header.responder_spi = IkeSpi{*in.u64()};
    (void)in.u8();  // the first payload's type: first_payload_of()
    const unsigned version = *in.u8();
    header.exchange = ExchangeType{*in.u8()};
    const unsigned flags = *in.u8();
    header.from_initiator = (flags & kInitiatorFlag) != 0;
    header.higher_version = (flags & kVersionFlag) != 0;
    header.is_response = (flags & kResponseFlag) != 0;
    header.message_id = MessageId{*in.u32()};
    const std::uint32_t length = *in.u32();
    if (version >> 4U != kMajorVersion)
        return Unexpected(ParseError{"header: major version " + std::to_string(version >> 4U) + " is not 2",
                                     NotifyType::invalid_major_version});
    if (raw(header.initiator_spi) == 0) return Unexpected(ParseError{"header: the initiator's SPI is zero"});
    if (length != datagram.size())
        return Unexpected(ParseError{"header: length " + std::to_string(length) + " is not the datagram's " +
                                     std::to_string(datagram.size())});
    return header;
}

void Header::emit(ByteWriter& out, PayloadType first, std::size_t body_size) const {
    std::uint8_t flags = 0;
    if (from_initiator) flags |= kInitiatorFlag;
    if (higher_version) flags |= kVersionFlag;
    if (is_response) flags |= kResponseFlag;
    out.u64(raw(initiator_spi)).u64(raw(responder_spi)).u8(raw(first)).u8(kVersion2);
    out.u8(raw(exchange)).u8(flags).u32(raw(message_id));
    out.u32(static_cast<std::uint32_t>(kHeaderSize + body_size));
}

}  // namespace isthmus::crypto::ike
