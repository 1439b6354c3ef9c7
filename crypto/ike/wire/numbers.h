// IKEv2's registries (IANA "Internet Key Exchange Version 2 (IKEv2) Parameters"): values are what is on the wire. A value
// that is not listed is kept as it came, so each name_of() has an answer for those too: "notify 40970".
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/ids.h"

namespace isthmus::crypto::ike {

/// An IKE SA's SPI (RFC 7296 section 3.1), chosen by each side for itself; 0: the responder's is not known yet.
enum class IkeSpi : std::uint64_t {};
/// Counts each side's requests (RFC 7296 section 2.2).
enum class MessageId : std::uint32_t {};

/// The SPI in a proposal or a notification: none, of an ESP or AH SA, or of an IKE SA.
using AnySpi = std::variant<std::monostate, Spi, IkeSpi>;

enum class ExchangeType : std::uint8_t {
    ike_sa_init = 34,
    ike_auth = 35,
    create_child_sa = 36,
    informational = 37,
    ike_intermediate = 43,  ///< RFC 9242
    ike_followup_ke = 44,   ///< RFC 9370
};

enum class PayloadType : std::uint8_t {
    none = 0,
    security_association = 33,
    key_exchange = 34,
    id_initiator = 35,
    id_responder = 36,
    certificate = 37,
    certificate_request = 38,
    authentication = 39,
    nonce = 40,
    notify = 41,
    delete_ = 42,
    vendor_id = 43,
    ts_initiator = 44,
    ts_responder = 45,
    encrypted = 46,
    configuration = 47,
    eap = 48,
    encrypted_fragment = 53,  ///< RFC 7383
};

enum class ProtocolId : std::uint8_t { none = 0, ike = 1, ah = 2, esp = 3 };

enum class TransformType : std::uint8_t {
    encryption = 1,
    prf = 2,
    integrity = 3,
    key_exchange = 4,
    sequence_numbers = 5,  ///< 0: 32 bits, 1: 64 bits (ESN)
    additional_ke1 = 6,    ///< RFC 9370; up to 12
    additional_ke_last = 12,
};

/// Transform type 1. Those that we have not are named in diagnoses only.
enum class EncryptionId : std::uint16_t {
    des3 = 3,
    null = 11,
    aes_cbc = 12,
    aes_ctr = 13,
    aes_ccm8 = 14,
    aes_ccm12 = 15,
    aes_ccm16 = 16,
    aes_gcm8 = 18,
    aes_gcm12 = 19,
    aes_gcm16 = 20,
    chacha20_poly1305 = 28,
};
/// Transform type 3.
enum class IntegrityId : std::uint16_t {
    none = 0,
    hmac_sha256_128 = 12,
    hmac_sha384_192 = 13,
    hmac_sha512_256 = 14,
};
/// Transform type 4's "no key exchange", offered beside groups where forward secrecy is optional.
inline constexpr std::uint16_t kNoKeyExchange = 0;
/// Transform type 5.
inline constexpr std::uint16_t kNoExtendedSequence = 0;
inline constexpr std::uint16_t kExtendedSequence = 1;

enum class IdType : std::uint8_t {
    ipv4_address = 1,
    fqdn = 2,
    rfc822_address = 3,
    ipv6_address = 5,
    der_asn1_dn = 9,
    der_asn1_gn = 10,
    key_id = 11,
    null = 13,  ///< RFC 7619
};

enum class CertificateEncoding : std::uint8_t {
    pkcs7 = 1,
    crl = 7,
    x509_signature = 4,
    hash_and_url = 12,
    hash_and_url_bundle = 13,
    raw_public_key = 15,
};

enum class AuthMethod : std::uint8_t {
    rsa_signature = 1,
    shared_key = 2,
    ecdsa_sha256_p256 = 9,
    ecdsa_sha384_p384 = 10,
    ecdsa_sha512_p521 = 11,
    null = 13,
    digital_signature = 14,  ///< RFC 7427
};

/// Hash algorithms of SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4, RFC 8420 section 2).
enum class SignatureHash : std::uint16_t { sha1 = 1, sha256 = 2, sha384 = 3, sha512 = 4, identity = 5 };

/// Below 16384: errors. From there on: status.
enum class NotifyType : std::uint16_t {
    unsupported_critical_payload = 1,
    invalid_ike_spi = 4,
    invalid_major_version = 5,
    invalid_syntax = 7,
    invalid_message_id = 9,
    invalid_spi = 11,
    no_proposal_chosen = 14,
    invalid_ke_payload = 17,
    authentication_failed = 24,
    single_pair_required = 34,
    no_additional_sas = 35,
    internal_address_failure = 36,
    failed_cp_required = 37,
    ts_unacceptable = 38,
    invalid_selectors = 39,
    unacceptable_addresses = 40,
    unexpected_nat_detected = 41,
    temporary_failure = 43,
    child_sa_not_found = 44,
    invalid_group_id = 45,
    authorization_failed = 46,
    state_not_found = 47,  ///< RFC 9370
    ts_max_queue = 48,     ///< RFC 9611

    initial_contact = 16384,
    set_window_size = 16385,
    additional_ts_possible = 16386,
    ipcomp_supported = 16387,
    nat_detection_source_ip = 16388,
    nat_detection_destination_ip = 16389,
    cookie = 16390,
    use_transport_mode = 16391,
    http_cert_lookup_supported = 16392,
    rekey_sa = 16393,
    esp_tfc_padding_not_supported = 16394,
    non_first_fragments_also = 16395,
    mobike_supported = 16396,
    additional_ip4_address = 16397,
    additional_ip6_address = 16398,
    no_additional_addresses = 16399,
    update_sa_addresses = 16400,
    cookie2 = 16401,
    no_nats_allowed = 16402,
    auth_lifetime = 16403,
    multiple_auth_supported = 16404,
    another_auth_follows = 16405,
    redirect_supported = 16406,
    redirect = 16407,
    redirected_from = 16408,
    eap_only_authentication = 16417,
    childless_ikev2_supported = 16418,
    quick_crash_detection = 16419,
    message_id_sync_supported = 16420,
    fragmentation_supported = 16430,
    signature_hash_algorithms = 16431,
    clone_ike_sa_supported = 16432,
    clone_ike_sa = 16433,
    puzzle = 16434,
    use_ppk = 16435,
    ppk_identity = 16436,
    no_ppk_auth = 16437,
    intermediate_exchange_supported = 16438,
    ip4_allowed = 16439,
    ip6_allowed = 16440,
    additional_key_exchange = 16441,
    use_aggfrag = 16442,
    supported_auth_methods = 16443,
    sa_resource_info = 16444,  ///< RFC 9611
};
[[nodiscard]] constexpr bool is_error(NotifyType type) noexcept {
    return static_cast<std::uint16_t>(type) < 16384;
}

// The registry's spelling: "IKE_SA_INIT", "SA", "NO_PROPOSAL_CHOSEN"; "exchange 99" for what is not listed above.
[[nodiscard]] std::string name_of(ExchangeType type);
[[nodiscard]] std::string name_of(PayloadType type);
[[nodiscard]] std::string name_of(ProtocolId protocol);
[[nodiscard]] std::string name_of(TransformType type);
[[nodiscard]] std::string name_of(IdType type);
[[nodiscard]] std::string name_of(AuthMethod method);
[[nodiscard]] std::string name_of(NotifyType type);

/// "AES_GCM_16_256", "PRF_HMAC_SHA2_256", "ECP_256", "ESN"; key_bits 0: the transform has no key length.
[[nodiscard]] std::string transform_name(TransformType type, std::uint16_t id, std::uint16_t key_bits);

/// "a1b2c3d4e5f60718"
[[nodiscard]] std::string text_of(IkeSpi spi);
/// "c5c9ed55"
[[nodiscard]] std::string text_of(Spi spi);

}  // namespace isthmus::crypto::ike
