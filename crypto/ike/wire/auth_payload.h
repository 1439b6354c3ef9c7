// The AUTH payload (RFC 7296 section 3.8). Its data under method 14 is in authentication.h.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Auth Method   |                RESERVED                       |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                      Authentication Data                      ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

struct AuthPayload {
    static constexpr PayloadType kType = PayloadType::authentication;
    AuthMethod method = AuthMethod::shared_key;
    std::vector<std::uint8_t> data;

    [[nodiscard]] static Result<AuthPayload, std::string> parse(Bytes body) {
        ByteReader in(body);
        const auto method = in.u8();
        const auto reserved = in.u24();
        if (!method || !reserved) return Unexpected(std::string("the method is cut short"));
        return AuthPayload{AuthMethod{*method}, {in.rest().begin(), in.rest().end()}};
    }
    void emit(ByteWriter& out) const { out.u8(raw(method)).u24(0).bytes(data); }
    friend bool operator==(const AuthPayload&, const AuthPayload&) = default;
};

}  // namespace isthmus::crypto::ike
