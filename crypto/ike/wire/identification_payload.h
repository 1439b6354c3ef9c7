// The identification payloads IDi and IDr (RFC 7296 section 3.5).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |   ID Type     |                 RESERVED                      |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                   Identification Data                         ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// What both payloads hold. See identity.h for its text and for matching.
struct Identification {
    IdType type = IdType::null;
    std::vector<std::uint8_t> data;

    [[nodiscard]] static Result<Identification, std::string> parse(Bytes body) {
        ByteReader in(body);
        const auto type = in.u8();
        const auto reserved = in.u24();
        if (!type || !reserved) return Unexpected(std::string("the identity's type is cut short"));
        return Identification{IdType{*type}, {in.rest().begin(), in.rest().end()}};
    }
    void emit(ByteWriter& out) const { out.u8(raw(type)).u24(0).bytes(data); }
    friend bool operator==(const Identification&, const Identification&) = default;
};

struct IdInitiatorPayload {
    static constexpr PayloadType kType = PayloadType::id_initiator;
    Identification id;

    [[nodiscard]] static Result<IdInitiatorPayload, std::string> parse(Bytes body) {
        return Identification::parse(body).transform(
            [](Identification&& parsed) { return IdInitiatorPayload{std::move(parsed)}; });
    }
    void emit(ByteWriter& out) const { id.emit(out); }
    friend bool operator==(const IdInitiatorPayload&, const IdInitiatorPayload&) = default;
};

struct IdResponderPayload {
    static constexpr PayloadType kType = PayloadType::id_responder;
    Identification id;

    [[nodiscard]] static Result<IdResponderPayload, std::string> parse(Bytes body) {
        return Identification::parse(body).transform(
            [](Identification&& parsed) { return IdResponderPayload{std::move(parsed)}; });
    }
    void emit(ByteWriter& out) const { id.emit(out); }
    friend bool operator==(const IdResponderPayload&, const IdResponderPayload&) = default;
};

}  // namespace isthmus::crypto::ike
