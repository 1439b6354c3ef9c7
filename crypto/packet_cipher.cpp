#include "crypto/packet_cipher.h"

#include "crypto/providers.h"

namespace isthmus::crypto {

namespace {
class OpenSslProvider final : public CipherProvider {
  public:
    [[nodiscard]] std::string_view name() const noexcept override { return name_of(ProviderKind::openssl); }
    [[nodiscard]] Result<std::unique_ptr<PacketCipher>, std::string> make(esp::Suite suite,
                                                                          Direction direction,
                                                                          Bytes material) override {
        const esp::SuiteShape shape = shape_of(suite);
        if (material.size() != shape.key_material())
            return Unexpected(std::string("keying material of a wrong size"));
        return shape.is_aead() ? make_openssl_aead(suite, direction, material)
                               : make_openssl_cbc_hmac(suite, direction, material);
    }
};
}  // namespace

std::unique_ptr<CipherProvider> make_openssl_provider() {
    return std::make_unique<OpenSslProvider>();
}

std::string_view name_of(ProviderKind kind) noexcept {
    return kind == ProviderKind::openssl ? "openssl" : "ipsec-mb";
}

Result<std::unique_ptr<CipherProvider>, std::string> make_provider(ProviderKind kind) {
    if (kind == ProviderKind::ipsec_mb) return make_ipsec_mb_provider();
    return make_openssl_provider();
}

}  // namespace isthmus::crypto
