#include "crypto/ike/key_log.h"

#include <string>

#include "crypto/esp/suite.h"

namespace isthmus::crypto::ike {

namespace {

SecretBytes secret_text(std::string& line) {
    SecretBytes secret(Bytes(reinterpret_cast<const std::uint8_t*>(line.data()), line.size()));
    explicit_bzero(line.data(), line.size());
    return secret;
}

std::string_view integrity_name(IntegrityId id) noexcept {
    switch (id) {
        case IntegrityId::none: return "NONE [RFC4306]";
        case IntegrityId::hmac_sha256_128: return "HMAC_SHA2_256_128 [RFC4868]";
        case IntegrityId::hmac_sha384_192: return "HMAC_SHA2_384_192 [RFC4868]";
        case IntegrityId::hmac_sha512_256: return "HMAC_SHA2_512_256 [RFC4868]";
    }
    return "";
}

std::optional<std::string> cipher_name(const IkeCipher& cipher) {
    const std::string bits = std::to_string(cipher.key_bits);
    switch (cipher.encryption) {
        case EncryptionId::aes_gcm16: return "AES-GCM-" + bits + " with 16 octet ICV [RFC5282]";
        case EncryptionId::aes_cbc: return "AES-CBC-" + bits + " [RFC3602]";
        default: return std::nullopt;
    }
}

struct EspNames {
    std::string_view cipher;
    std::string_view integrity;
};
std::optional<EspNames> names_of(esp::Suite suite) noexcept {
    switch (suite) {
        case esp::Suite::aes128_gcm16:
        case esp::Suite::aes256_gcm16: return EspNames{"AES-GCM with 16 octet ICV [RFC4106]", "NULL"};
        case esp::Suite::chacha20_poly1305: return std::nullopt;
        case esp::Suite::aes128_cbc_hmac_sha256_128:
        case esp::Suite::aes256_cbc_hmac_sha256_128:
            return EspNames{"AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]"};
        case esp::Suite::aes256_cbc_hmac_sha384_192:
            return EspNames{"AES-CBC [RFC3602]", "HMAC-SHA-384-192 [RFC4868]"};
        case esp::Suite::aes256_cbc_hmac_sha512_256:
            return EspNames{"AES-CBC [RFC3602]", "HMAC-SHA-512-256 [RFC4868]"};
    }
    return std::nullopt;
}

std::string quoted(std::string_view text) {
    return '"' + std::string(text) + '"';
}

}  // namespace

std::optional<KeyLog> ike_key_line(const SpiPair& spis, const IkeSuite& suite, const IkeKeys& keys) {
    const auto cipher = cipher_name(suite.cipher);
    if (!cipher) return std::nullopt;
    std::string line = text_of(spis.initiator) + ',' + text_of(spis.responder) + ',' +
                       to_hex(keys.ei.reveal()) + ',' + to_hex(keys.er.reveal()) + ',' + quoted(*cipher) +
                       ',' + to_hex(keys.ai.reveal()) + ',' + to_hex(keys.ar.reveal()) + ',' +
                       quoted(integrity_name(suite.cipher.integrity));
    return KeyLog{KeyLog::Table::ikev2_decryption_table, secret_text(line)};
}

std::optional<KeyLog> esp_key_line(const IpAddress& from, const IpAddress& to, const esp::SaOptions& sa) {
    const auto names = names_of(sa.suite);
    if (!names) return std::nullopt;
    const esp::SuiteShape shape = esp::shape_of(sa.suite);
    const Bytes key = sa.key.reveal();
    const std::size_t cipher_part = shape.encryption_key + shape.salt;
    const Bytes integrity = key.subspan(cipher_part);
    std::string line = quoted(from.is_v6() ? "IPv6" : "IPv4") + ',' + quoted(from.text()) + ',' +
                       quoted(to.text()) + ',' + quoted("0x" + text_of(sa.spi)) + ',' +
                       quoted(names->cipher) + ',' + quoted("0x" + to_hex(key.first(cipher_part))) + ',' +
                       quoted(names->integrity) + ',' +
                       quoted(integrity.empty() ? "" : "0x" + to_hex(integrity));
    return KeyLog{KeyLog::Table::esp_sa, secret_text(line)};
}

}  // namespace isthmus::crypto::ike
