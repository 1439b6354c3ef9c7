// The KE payload (RFC 7296 section 3.4).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |   Diffie-Hellman Group Num    |           RESERVED            |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                       Key Exchange Data                       ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

struct KeyExchangePayload {
    static constexpr PayloadType kType = PayloadType::key_exchange;
    std::uint16_t group = 0;  ///< a DhGroup, or one that we have not (answered with INVALID_KE_PAYLOAD)
    std::vector<std::uint8_t> data;

    [[nodiscard]] static Result<KeyExchangePayload, std::string> parse(Bytes body) {
        ByteReader in(body);
        const auto group = in.u16();
        const auto reserved = in.u16();
        if (!group || !reserved) return Unexpected(std::string("the group is cut short"));
        if (in.remaining() == 0) return Unexpected(std::string("there is no key exchange data"));
        return KeyExchangePayload{*group, {in.rest().begin(), in.rest().end()}};
    }
    void emit(ByteWriter& out) const { out.u16(group).u16(0).bytes(data); }
    friend bool operator==(const KeyExchangePayload&, const KeyExchangePayload&) = default;
};

}  // namespace isthmus::crypto::ike
