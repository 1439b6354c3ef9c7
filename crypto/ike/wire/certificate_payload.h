// The CERT and CERTREQ payloads (RFC 7296 sections 3.6 and 3.7).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+
//  | Cert Encoding |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~         Certificate Data, or Certification Authorities        ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// SHA-1 of an authority's SubjectPublicKeyInfo: Certificate::authority_hash().
using AuthorityHash = std::array<std::uint8_t, 20>;

struct CertificatePayload {
    static constexpr PayloadType kType = PayloadType::certificate;
    CertificateEncoding encoding = CertificateEncoding::x509_signature;
    std::vector<std::uint8_t> data;  ///< x509_signature: DER of one certificate

    [[nodiscard]] static Result<CertificatePayload, std::string> parse(Bytes body) {
        if (body.empty()) return Unexpected(std::string("the encoding is missing"));
        const Bytes data = body.subspan(1);
        return CertificatePayload{CertificateEncoding{body[0]}, {data.begin(), data.end()}};
    }
    void emit(ByteWriter& out) const { out.u8(raw(encoding)).bytes(data); }
    friend bool operator==(const CertificatePayload&, const CertificatePayload&) = default;
};

struct CertificateRequestPayload {
    static constexpr PayloadType kType = PayloadType::certificate_request;
    CertificateEncoding encoding = CertificateEncoding::x509_signature;
    std::vector<AuthorityHash> authorities;  ///< empty also with encodings whose data is something else

    [[nodiscard]] static Result<CertificateRequestPayload, std::string> parse(Bytes body) {
        if (body.empty()) return Unexpected(std::string("the encoding is missing"));
        CertificateRequestPayload request{CertificateEncoding{body[0]}, {}};
        const bool has_hashes = request.encoding == CertificateEncoding::x509_signature ||
                                request.encoding == CertificateEncoding::hash_and_url ||
                                request.encoding == CertificateEncoding::hash_and_url_bundle;
        if (!has_hashes) return request;
        constexpr std::size_t kHash = std::tuple_size_v<AuthorityHash>;
        Bytes rest = body.subspan(1);
        if (rest.size() % kHash != 0)
            return Unexpected(std::to_string(rest.size()) + " bytes of authorities are no multiple of 20");
        for (; !rest.empty(); rest = rest.subspan(kHash))
            std::ranges::copy(rest.first(kHash), request.authorities.emplace_back().begin());
        return request;
    }
    void emit(ByteWriter& out) const {
        out.u8(raw(encoding));
        for (const AuthorityHash& hash : authorities) out.bytes(hash);
    }
    friend bool operator==(const CertificateRequestPayload&, const CertificateRequestPayload&) = default;
};

}  // namespace isthmus::crypto::ike
