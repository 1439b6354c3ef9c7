// The Delete payload (RFC 7296 section 3.11).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Protocol ID   |   SPI Size    |          Num of SPIs          |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~               Security Parameter Index(es) (SPI)              ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

struct DeletePayload {
    static constexpr PayloadType kType = PayloadType::delete_;
    ProtocolId protocol = ProtocolId::ike;
    std::vector<Spi> spis;  ///< of the sender's inbound SAs; empty for IKE: the SA that carries this

    [[nodiscard]] static Result<DeletePayload, std::string> parse(Bytes body) {
        ByteReader in(body);
        const auto protocol = in.u8();
        const auto size = in.u8();
        const auto count = in.u16();
        if (!protocol || !size || !count) return Unexpected(std::string("the number of SPIs is cut short"));
        DeletePayload deletion{ProtocolId{*protocol}, {}};
        if (deletion.protocol == ProtocolId::ike) {
            if (*count != 0) return Unexpected(std::string("an IKE SA is deleted without SPIs"));
        } else if (*size != 4) {
            return Unexpected("SPI size " + std::to_string(*size) + " is not 4");
        }
        if (in.remaining() != std::size_t{*size} * *count)
            return Unexpected(std::to_string(in.remaining()) + " bytes are not " + std::to_string(*count) +
                              " SPIs");
        while (const auto spi = in.u32()) deletion.spis.push_back(Spi{*spi});
        return deletion;
    }
    void emit(ByteWriter& out) const {
        out.u8(raw(protocol)).u8(protocol == ProtocolId::ike ? 0 : 4);
        out.u16(static_cast<std::uint16_t>(spis.size()));
        for (const Spi spi : spis) out.u32(raw(spi));
    }
    friend bool operator==(const DeletePayload&, const DeletePayload&) = default;
};

}  // namespace isthmus::crypto::ike
