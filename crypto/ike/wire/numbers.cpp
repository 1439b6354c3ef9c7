#include "crypto/ike/wire/numbers.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"

namespace isthmus::crypto::ike {

namespace {

template <class Enum>
struct Named {
    Enum value;
    std::string_view name;
};

template <class Enum, std::size_t n>
std::string find(const std::array<Named<Enum>, n>& names, Enum value, std::string_view otherwise) {
    const auto* const found =
        std::ranges::find_if(names, [value](const Named<Enum>& named) { return named.value == value; });
    if (found != names.end()) return std::string(found->name);
    return std::string(otherwise) + " " + std::to_string(raw(value));
}

constexpr auto kExchanges = std::to_array<Named<ExchangeType>>({
    {ExchangeType::ike_sa_init, "IKE_SA_INIT"},
    {ExchangeType::ike_auth, "IKE_AUTH"},
    {ExchangeType::create_child_sa, "CREATE_CHILD_SA"},
    {ExchangeType::informational, "INFORMATIONAL"},
    {ExchangeType::ike_intermediate, "IKE_INTERMEDIATE"},
    {ExchangeType::ike_followup_ke, "IKE_FOLLOWUP_KE"},
});

constexpr auto kPayloads = std::to_array<Named<PayloadType>>({
    {PayloadType::none, "none"},
    {PayloadType::security_association, "SA"},
    {PayloadType::key_exchange, "KE"},
    {PayloadType::id_initiator, "IDi"},
    {PayloadType::id_responder, "IDr"},
    {PayloadType::certificate, "CERT"},
    {PayloadType::certificate_request, "CERTREQ"},
    {PayloadType::authentication, "AUTH"},
    {PayloadType::nonce, "Nonce"},
    {PayloadType::notify, "N"},
    {PayloadType::delete_, "D"},
    {PayloadType::vendor_id, "V"},
    {PayloadType::ts_initiator, "TSi"},
    {PayloadType::ts_responder, "TSr"},
    {PayloadType::encrypted, "SK"},
    {PayloadType::configuration, "CP"},
    {PayloadType::eap, "EAP"},
    {PayloadType::encrypted_fragment, "SKF"},
});

constexpr auto kProtocols = std::to_array<Named<ProtocolId>>({
    {ProtocolId::none, "no protocol"},
    {ProtocolId::ike, "IKE"},
    {ProtocolId::ah, "AH"},
    {ProtocolId::esp, "ESP"},
});

constexpr auto kTransformTypes = std::to_array<Named<TransformType>>({
    {TransformType::encryption, "encryption"},
    {TransformType::prf, "pseudo-random function"},
    {TransformType::integrity, "integrity"},
    {TransformType::key_exchange, "key exchange"},
    {TransformType::sequence_numbers, "sequence numbers"},
});

constexpr auto kIds = std::to_array<Named<IdType>>({
    {IdType::ipv4_address, "IPv4 address"},
    {IdType::fqdn, "FQDN"},
    {IdType::rfc822_address, "e-mail address"},
    {IdType::ipv6_address, "IPv6 address"},
    {IdType::der_asn1_dn, "distinguished name"},
    {IdType::der_asn1_gn, "general name"},
    {IdType::key_id, "key id"},
    {IdType::null, "null identity"},
});

constexpr auto kMethods = std::to_array<Named<AuthMethod>>({
    {AuthMethod::rsa_signature, "RSA signature"},
    {AuthMethod::shared_key, "pre-shared key"},
    {AuthMethod::ecdsa_sha256_p256, "ECDSA with SHA-256 on P-256"},
    {AuthMethod::ecdsa_sha384_p384, "ECDSA with SHA-384 on P-384"},
    {AuthMethod::ecdsa_sha512_p521, "ECDSA with SHA-512 on P-521"},
    {AuthMethod::null, "null authentication"},
    {AuthMethod::digital_signature, "digital signature"},
});

constexpr auto kNotifications = std::to_array<Named<NotifyType>>({
    {NotifyType::unsupported_critical_payload, "UNSUPPORTED_CRITICAL_PAYLOAD"},
    {NotifyType::invalid_ike_spi, "INVALID_IKE_SPI"},
    {NotifyType::invalid_major_version, "INVALID_MAJOR_VERSION"},
    {NotifyType::invalid_syntax, "INVALID_SYNTAX"},
    {NotifyType::invalid_message_id, "INVALID_MESSAGE_ID"},
    {NotifyType::invalid_spi, "INVALID_SPI"},
    {NotifyType::no_proposal_chosen, "NO_PROPOSAL_CHOSEN"},
    {NotifyType::invalid_ke_payload, "INVALID_KE_PAYLOAD"},
    {NotifyType::authentication_failed, "AUTHENTICATION_FAILED"},
    {NotifyType::single_pair_required, "SINGLE_PAIR_REQUIRED"},
    {NotifyType::no_additional_sas, "NO_ADDITIONAL_SAS"},
    {NotifyType::internal_address_failure, "INTERNAL_ADDRESS_FAILURE"},
    {NotifyType::failed_cp_required, "FAILED_CP_REQUIRED"},
    {NotifyType::ts_unacceptable, "TS_UNACCEPTABLE"},
    {NotifyType::invalid_selectors, "INVALID_SELECTORS"},
    {NotifyType::unacceptable_addresses, "UNACCEPTABLE_ADDRESSES"},
    {NotifyType::unexpected_nat_detected, "UNEXPECTED_NAT_DETECTED"},
    {NotifyType::temporary_failure, "TEMPORARY_FAILURE"},
    {NotifyType::child_sa_not_found, "CHILD_SA_NOT_FOUND"},
    {NotifyType::invalid_group_id, "INVALID_GROUP_ID"},
    {NotifyType::authorization_failed, "AUTHORIZATION_FAILED"},
    {NotifyType::state_not_found, "STATE_NOT_FOUND"},
    {NotifyType::ts_max_queue, "TS_MAX_QUEUE"},
    {NotifyType::initial_contact, "INITIAL_CONTACT"},
    {NotifyType::set_window_size, "SET_WINDOW_SIZE"},
    {NotifyType::additional_ts_possible, "ADDITIONAL_TS_POSSIBLE"},
    {NotifyType::ipcomp_supported, "IPCOMP_SUPPORTED"},
    {NotifyType::nat_detection_source_ip, "NAT_DETECTION_SOURCE_IP"},
    {NotifyType::nat_detection_destination_ip, "NAT_DETECTION_DESTINATION_IP"},
    {NotifyType::cookie, "COOKIE"},
    {NotifyType::use_transport_mode, "USE_TRANSPORT_MODE"},
    {NotifyType::http_cert_lookup_supported, "HTTP_CERT_LOOKUP_SUPPORTED"},
    {NotifyType::rekey_sa, "REKEY_SA"},
    {NotifyType::esp_tfc_padding_not_supported, "ESP_TFC_PADDING_NOT_SUPPORTED"},
    {NotifyType::non_first_fragments_also, "NON_FIRST_FRAGMENTS_ALSO"},
    {NotifyType::mobike_supported, "MOBIKE_SUPPORTED"},
    {NotifyType::additional_ip4_address, "ADDITIONAL_IP4_ADDRESS"},
    {NotifyType::additional_ip6_address, "ADDITIONAL_IP6_ADDRESS"},
    {NotifyType::no_additional_addresses, "NO_ADDITIONAL_ADDRESSES"},
    {NotifyType::update_sa_addresses, "UPDATE_SA_ADDRESSES"},
    {NotifyType::cookie2, "COOKIE2"},
    {NotifyType::no_nats_allowed, "NO_NATS_ALLOWED"},
    {NotifyType::auth_lifetime, "AUTH_LIFETIME"},
    {NotifyType::multiple_auth_supported, "MULTIPLE_AUTH_SUPPORTED"},
    {NotifyType::another_auth_follows, "ANOTHER_AUTH_FOLLOWS"},
    {NotifyType::redirect_supported, "REDIRECT_SUPPORTED"},
    {NotifyType::redirect, "REDIRECT"},
    {NotifyType::redirected_from, "REDIRECTED_FROM"},
    {NotifyType::eap_only_authentication, "EAP_ONLY_AUTHENTICATION"},
    {NotifyType::childless_ikev2_supported, "CHILDLESS_IKEV2_SUPPORTED"},
    {NotifyType::quick_crash_detection, "QUICK_CRASH_DETECTION"},
    {NotifyType::message_id_sync_supported, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED"},
    {NotifyType::fragmentation_supported, "IKEV2_FRAGMENTATION_SUPPORTED"},
    {NotifyType::signature_hash_algorithms, "SIGNATURE_HASH_ALGORITHMS"},
    {NotifyType::clone_ike_sa_supported, "CLONE_IKE_SA_SUPPORTED"},
    {NotifyType::clone_ike_sa, "CLONE_IKE_SA"},
    {NotifyType::puzzle, "PUZZLE"},
    {NotifyType::use_ppk, "USE_PPK"},
    {NotifyType::ppk_identity, "PPK_IDENTITY"},
    {NotifyType::no_ppk_auth, "NO_PPK_AUTH"},
    {NotifyType::intermediate_exchange_supported, "INTERMEDIATE_EXCHANGE_SUPPORTED"},
    {NotifyType::ip4_allowed, "IP4_ALLOWED"},
    {NotifyType::ip6_allowed, "IP6_ALLOWED"},
    {NotifyType::additional_key_exchange, "ADDITIONAL_KEY_EXCHANGE"},
    {NotifyType::use_aggfrag, "USE_AGGFRAG"},
    {NotifyType::supported_auth_methods, "SUPPORTED_AUTH_METHODS"},
    {NotifyType::sa_resource_info, "SA_RESOURCE_INFO"},
});

struct TransformName {
    TransformType type;
    std::uint16_t id;
    std::string_view name;
};
constexpr auto kTransforms = std::to_array<TransformName>({
    {TransformType::encryption, 2, "DES"},
    {TransformType::encryption, 3, "3DES"},
    {TransformType::encryption, 11, "NULL"},
    {TransformType::encryption, 12, "AES_CBC"},
    {TransformType::encryption, 13, "AES_CTR"},
    {TransformType::encryption, 14, "AES_CCM_8"},
    {TransformType::encryption, 15, "AES_CCM_12"},
    {TransformType::encryption, 16, "AES_CCM_16"},
    {TransformType::encryption, 18, "AES_GCM_8"},
    {TransformType::encryption, 19, "AES_GCM_12"},
    {TransformType::encryption, 20, "AES_GCM_16"},
    {TransformType::encryption, 23, "CAMELLIA_CBC"},
    {TransformType::encryption, 28, "CHACHA20_POLY1305"},
    {TransformType::prf, 1, "PRF_HMAC_MD5"},
    {TransformType::prf, 2, "PRF_HMAC_SHA1"},
    {TransformType::prf, 4, "PRF_AES128_XCBC"},
    {TransformType::prf, 5, "PRF_HMAC_SHA2_256"},
    {TransformType::prf, 6, "PRF_HMAC_SHA2_384"},
    {TransformType::prf, 7, "PRF_HMAC_SHA2_512"},
    {TransformType::prf, 8, "PRF_AES128_CMAC"},
    {TransformType::integrity, 0, "no integrity"},
    {TransformType::integrity, 1, "HMAC_MD5_96"},
    {TransformType::integrity, 2, "HMAC_SHA1_96"},
    {TransformType::integrity, 5, "AES_XCBC_96"},
    {TransformType::integrity, 8, "AES_CMAC_96"},
    {TransformType::integrity, 12, "HMAC_SHA2_256_128"},
    {TransformType::integrity, 13, "HMAC_SHA2_384_192"},
    {TransformType::integrity, 14, "HMAC_SHA2_512_256"},
    {TransformType::key_exchange, 0, "no key exchange"},
    {TransformType::key_exchange, 1, "MODP_768"},
    {TransformType::key_exchange, 2, "MODP_1024"},
    {TransformType::key_exchange, 5, "MODP_1536"},
    {TransformType::key_exchange, 14, "MODP_2048"},
    {TransformType::key_exchange, 15, "MODP_3072"},
    {TransformType::key_exchange, 16, "MODP_4096"},
    {TransformType::key_exchange, 17, "MODP_6144"},
    {TransformType::key_exchange, 18, "MODP_8192"},
    {TransformType::key_exchange, 19, "ECP_256"},
    {TransformType::key_exchange, 20, "ECP_384"},
    {TransformType::key_exchange, 21, "ECP_521"},
    {TransformType::key_exchange, 22, "MODP_1024_160"},
    {TransformType::key_exchange, 23, "MODP_2048_224"},
    {TransformType::key_exchange, 24, "MODP_2048_256"},
    {TransformType::key_exchange, 27, "BRAINPOOL_224"},
    {TransformType::key_exchange, 28, "BRAINPOOL_256"},
    {TransformType::key_exchange, 29, "BRAINPOOL_384"},
    {TransformType::key_exchange, 30, "BRAINPOOL_512"},
    {TransformType::key_exchange, 31, "CURVE_25519"},
    {TransformType::key_exchange, 32, "CURVE_448"},
    {TransformType::key_exchange, 35, "ML_KEM_512"},
    {TransformType::key_exchange, 36, "ML_KEM_768"},
    {TransformType::key_exchange, 37, "ML_KEM_1024"},
    {TransformType::sequence_numbers, 0, "NO_ESN"},
    {TransformType::sequence_numbers, 1, "ESN"},
});

}  // namespace

std::string name_of(ExchangeType type) {
    return find(kExchanges, type, "exchange");
}
std::string name_of(PayloadType type) {
    return find(kPayloads, type, "payload");
}
std::string name_of(ProtocolId protocol) {
    return find(kProtocols, protocol, "protocol");
}
std::string name_of(TransformType type) {
    return find(kTransformTypes, type, "transform type");
}
std::string name_of(IdType type) {
    return find(kIds, type, "identity type");
}
std::string name_of(AuthMethod method) {
    return find(kMethods, method, "authentication method");
}
std::string name_of(NotifyType type) {
    return find(kNotifications, type, "notify");
}

std::string transform_name(TransformType type, std::uint16_t id, std::uint16_t key_bits) {
    const auto* const found = std::ranges::find_if(
        kTransforms, [&](const TransformName& named) { return named.type == type && named.id == id; });
    std::string name =
        found == kTransforms.end() ? name_of(type) + " " + std::to_string(id) : std::string(found->name);
    if (key_bits != 0) name += "_" + std::to_string(key_bits);
    return name;
}

std::string text_of(IkeSpi spi) {
    std::array<std::uint8_t, 8> bytes{};
    store_be64(bytes.data(), raw(spi));
    return to_hex(bytes);
}
std::string text_of(Spi spi) {
    std::array<std::uint8_t, 4> bytes{};
    store_be32(bytes.data(), raw(spi));
    return to_hex(bytes);
}

}  // namespace isthmus::crypto::ike
