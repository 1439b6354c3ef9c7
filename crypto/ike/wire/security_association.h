// The SA payload: proposals, their transforms, and the transforms' attributes (RFC 7296 section 3.3).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Last (0) or 2 |   RESERVED    |         Proposal Length       |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                        SPI (0, 4 or 8 bytes)                  ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Last (0) or 3 |   RESERVED    |        Transform Length       |   each transform
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |Transform Type |   RESERVED    |          Transform ID         |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |A|       Attribute Type        |  A=0: Length, A=1: Value      |   each attribute
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                  A=0: Value (Length bytes)                    ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// More than any implementation sends; a peer that exceeds them is refused.
inline constexpr std::size_t kMaxProposals = 64;
inline constexpr std::size_t kMaxTransforms = 255;

struct Transform {
    TransformType type{};
    std::uint16_t id = 0;
    std::uint16_t key_bits = 0;      ///< the key length attribute; 0: there is none
    bool unknown_attribute = false;  ///< such a transform must not be chosen (RFC 7296 section 3.3.6)

    [[nodiscard]] std::string name() const { return transform_name(type, id, key_bits); }
    friend bool operator==(const Transform&, const Transform&) = default;
};

struct Proposal {
    std::uint8_t number = 1;
    ProtocolId protocol = ProtocolId::none;
    AnySpi spi;
    std::vector<Transform> transforms;

    friend bool operator==(const Proposal&, const Proposal&) = default;
};

struct SaPayload {
    static constexpr PayloadType kType = PayloadType::security_association;
    std::vector<Proposal> proposals;

    /// At least one proposal. Error: a sentence naming proposal, transform and field.
    [[nodiscard]] static Result<SaPayload, std::string> parse(Bytes body);
    void emit(ByteWriter& out) const;
    friend bool operator==(const SaPayload&, const SaPayload&) = default;
};

/// "ESP: AES_GCM_16_256/AES_GCM_16_128, ESN/NO_ESN": the choices of each type with slashes, the types with commas.
[[nodiscard]] std::string text_of(const Proposal& proposal);

}  // namespace isthmus::crypto::ike
