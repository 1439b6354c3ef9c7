#include "crypto/ipsec_mb.h"

#include "crypto/providers.h"

#ifdef ISTHMUS_HAS_IPSEC_MB

namespace isthmus::crypto {

namespace {

class IpsecMbProvider final : public CipherProvider {
  public:
    explicit IpsecMbProvider(std::shared_ptr<IMB_MGR> manager) : manager_(std::move(manager)) {}

    [[nodiscard]] std::string_view name() const noexcept override { return name_of(ProviderKind::ipsec_mb); }
    [[nodiscard]] Result<std::unique_ptr<PacketCipher>, std::string> make(esp::Suite suite,
                                                                          Direction direction,
                                                                          Bytes material) override {
        const esp::SuiteShape shape = shape_of(suite);
        if (material.size() != shape.key_material())
            return Unexpected(std::string("keying material of a wrong size"));
        return shape.is_aead() ? make_ipsec_mb_aead(manager_, suite, direction, material)
                               : make_ipsec_mb_cbc_hmac(manager_, suite, direction, material);
    }

  private:
    std::shared_ptr<IMB_MGR> manager_;
};

}  // namespace

Result<std::unique_ptr<CipherProvider>, std::string> make_ipsec_mb_provider() {
    // Older libraries have other structures behind the same names.
    if (imb_get_version() < IMB_VERSION_NUM)
        return Unexpected(std::string("libipsec-mb is older than the one this was built with"));
    Manager manager(alloc_mb_mgr(0));
    if (!manager) return Unexpected(std::string("no memory for libipsec-mb"));
    // Without AES and carry-less multiplication in the CPU the library emulates them, slower than OpenSSL's fallback.
    constexpr std::uint64_t kNeeded = IMB_FEATURE_SSE4_2 | IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    if ((manager->features & kNeeded) != kNeeded)
        return Unexpected(std::string("this CPU lacks the AES-NI or PCLMULQDQ instructions"));
    init_mb_mgr_auto(manager.get(), nullptr);
    if (const int error = imb_get_errno(manager.get()); error != 0)
        return Unexpected(std::string("libipsec-mb does not start: ") + imb_get_strerror(error));
    if ((manager->features & IMB_FEATURE_SELF_TEST) != 0 &&
        (manager->features & IMB_FEATURE_SELF_TEST_PASS) == 0)
        return Unexpected(std::string("libipsec-mb fails its own self-test"));
    return std::unique_ptr<CipherProvider>(
        std::make_unique<IpsecMbProvider>(std::shared_ptr<IMB_MGR>(std::move(manager))));
}

}  // namespace isthmus::crypto

#else

namespace isthmus::crypto {

Result<std::unique_ptr<CipherProvider>, std::string> make_ipsec_mb_provider() {
    return Unexpected(std::string("this build is without libipsec-mb (CMake option ISTHMUS_IPSEC_MB)"));
}

}  // namespace isthmus::crypto

#endif
