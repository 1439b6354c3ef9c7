// The Nonce payload (RFC 7296 section 3.9): 16 to 256 random bytes and nothing else; a Vendor ID (section 3.12): any bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

inline constexpr std::size_t kMinNonce = 16;
inline constexpr std::size_t kMaxNonce = 256;

struct NoncePayload {
    static constexpr PayloadType kType = PayloadType::nonce;
    std::vector<std::uint8_t> data;

    [[nodiscard]] static Result<NoncePayload, std::string> parse(Bytes body) {
        if (body.size() < kMinNonce || body.size() > kMaxNonce)
            return Unexpected(std::to_string(body.size()) + " bytes are not within 16 to 256");
        return NoncePayload{{body.begin(), body.end()}};
    }
    void emit(ByteWriter& out) const { out.bytes(data); }
    friend bool operator==(const NoncePayload&, const NoncePayload&) = default;
};

struct VendorIdPayload {
    static constexpr PayloadType kType = PayloadType::vendor_id;
    std::vector<std::uint8_t> data;

    [[nodiscard]] static Result<VendorIdPayload, std::string> parse(Bytes body) {
        return VendorIdPayload{{body.begin(), body.end()}};
    }
    void emit(ByteWriter& out) const { out.bytes(data); }
    friend bool operator==(const VendorIdPayload&, const VendorIdPayload&) = default;
};

}  // namespace isthmus::crypto::ike
