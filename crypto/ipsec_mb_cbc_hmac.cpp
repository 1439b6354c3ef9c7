// AES-CBC with HMAC-SHA-2 with libipsec-mb's bursts: CBC encryption and hashing are serial within a packet, so the
// library runs up to sixteen packets side by side.
#include "crypto/ipsec_mb.h"

#ifdef ISTHMUS_HAS_IPSEC_MB

#include <algorithm>
#include <array>

#include "crypto/providers.h"

namespace isthmus::crypto {

namespace {

constexpr std::size_t kBurst = 64;
constexpr std::size_t kMaxIcv = 32;
constexpr std::size_t kMaxDigest = 64;
constexpr std::size_t kExpandedKey = 16 * 15;

struct HashShape {
    IMB_HASH_ALG algorithm;
    std::size_t block;
    hash_one_block_t one_block;
};

HashShape hash_of(const IMB_MGR& manager, esp::Suite suite) noexcept {
    switch (suite) {
        case esp::Suite::aes256_cbc_hmac_sha384_192:
            return {IMB_AUTH_HMAC_SHA_384, 128, manager.sha384_one_block};
        case esp::Suite::aes256_cbc_hmac_sha512_256:
            return {IMB_AUTH_HMAC_SHA_512, 128, manager.sha512_one_block};
        default: return {IMB_AUTH_HMAC_SHA_256, 64, manager.sha256_one_block};
    }
}

/// Expanded keys, as the library reads them.
struct Keys {
    alignas(64) std::array<std::uint8_t, kExpandedKey> encrypt{};
    alignas(64) std::array<std::uint8_t, kExpandedKey> decrypt{};
    alignas(64) std::array<std::uint8_t, kMaxDigest> inner{};
    alignas(64) std::array<std::uint8_t, kMaxDigest> outer{};

    Keys() = default;
    Keys(const Keys&) = delete;
    Keys& operator=(const Keys&) = delete;
    ~Keys() { imb_clear_mem(this, sizeof *this); }
};

class MultiBufferCbcHmac final : public PacketCipher {
  public:
    MultiBufferCbcHmac(std::shared_ptr<IMB_MGR> manager, esp::Suite suite, Direction direction,
                       Bytes material, std::unique_ptr<PacketCipher> portable)
        : manager_(std::move(manager)),
          shape_(shape_of(suite)),
          hash_(hash_of(*manager_, suite)),
          direction_(direction),
          portable_(std::move(portable)) {
        const Bytes key = material.first(shape_.encryption_key);
        const auto expand = key.size() == 16 ? manager_->keyexp_128 : manager_->keyexp_256;
        expand(key.data(), keys_.encrypt.data(), keys_.decrypt.data());
        start_hash(material.subspan(shape_.encryption_key), 0x36, keys_.inner.data());
        start_hash(material.subspan(shape_.encryption_key), 0x5c, keys_.outer.data());
    }

    void seal(std::span<PacketJob> jobs) noexcept override {
        while (!jobs.empty()) {
            const std::size_t n = std::min(jobs.size(), kBurst);
            seal_burst(jobs.first(n));
            jobs = jobs.subspan(n);
        }
    }
    void open(std::span<PacketJob> jobs) noexcept override {
        while (!jobs.empty()) {
            const std::size_t n = std::min(jobs.size(), kBurst);
            open_burst(jobs.first(n));
            jobs = jobs.subspan(n);
        }
    }

  private:
    using Macs = std::array<std::array<std::uint8_t, kMaxIcv>, kBurst>;

    void seal_burst(std::span<PacketJob> jobs) noexcept {
        if (direction_ != Direction::seal || !std::ranges::all_of(jobs, laid_out_for_seal))
            return portable_->seal(jobs);
        Macs macs;
        if (!run_cipher(jobs) || !run_hash(jobs, macs)) return fail(jobs);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            std::copy_n(macs[i].begin(), shape_.icv, jobs[i].tag.begin());
            jobs[i].ok = true;
        }
    }

    // Decrypts all, authentic or not: the burst is one, and the text of a packet that is not ok is nobody's to look at.
    void open_burst(std::span<PacketJob> jobs) noexcept {
        if (direction_ != Direction::open || !std::ranges::all_of(jobs, laid_out_for_open))
            return portable_->open(jobs);
        std::array<std::array<std::uint8_t, kMaxIcv>, kBurst> received;
        for (std::size_t i = 0; i < jobs.size(); ++i) std::ranges::copy(jobs[i].tag, received[i].begin());
        Macs macs;
        if (!run_hash(jobs, macs) || !run_cipher(jobs)) return fail(jobs);
        for (std::size_t i = 0; i < jobs.size(); ++i)
            jobs[i].ok =
                equal_constant_time(Bytes(macs[i]).first(shape_.icv), Bytes(received[i]).first(shape_.icv));
    }

    bool run_cipher(std::span<PacketJob> jobs) noexcept {
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            IMB_JOB& work = work_[i];
            work = {};
            work.enc_keys = keys_.encrypt.data();
            work.dec_keys = keys_.decrypt.data();
            work.key_len_in_bytes = shape_.encryption_key;
            work.src = jobs[i].in.data();
            work.dst = jobs[i].out;
            work.msg_len_to_cipher_in_bytes = jobs[i].in.size();
            work.iv = jobs[i].nonce.data();
            work.iv_len_in_bytes = jobs[i].nonce.size();
        }
        const auto way = direction_ == Direction::seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
        const auto key_size = shape_.encryption_key == 16 ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES;
        return done(jobs.size(), IMB_SUBMIT_CIPHER_BURST(manager_.get(), work_.data(),
                                                         static_cast<std::uint32_t>(jobs.size()),
                                                         IMB_CIPHER_CBC, way, key_size));
    }

    // What is hashed must lie in one piece, so the high half of the sequence number goes where the ICV will be, or was.
    bool run_hash(std::span<PacketJob> jobs, Macs& macs) noexcept {
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            const PacketJob& job = jobs[i];
            std::ranges::copy(job.aad_tail, job.tag.begin());
            IMB_JOB& work = work_[i];
            work = {};
            work.src = job.aad.data();
            work.msg_len_to_hash_in_bytes =
                job.aad.size() + job.nonce.size() + job.in.size() + job.aad_tail.size();
            work.auth_tag_output = macs[i].data();
            work.auth_tag_output_len_in_bytes = shape_.icv;
            work.u.HMAC._hashed_auth_key_xor_ipad = keys_.inner.data();
            work.u.HMAC._hashed_auth_key_xor_opad = keys_.outer.data();
        }
        return done(jobs.size(),
                    IMB_SUBMIT_HASH_BURST(manager_.get(), work_.data(),
                                          static_cast<std::uint32_t>(jobs.size()), hash_.algorithm));
    }

    [[nodiscard]] bool done(std::size_t count, std::uint32_t completed) const noexcept {
        return completed == count &&
               std::all_of(work_.begin(), work_.begin() + static_cast<std::ptrdiff_t>(count),
                           [](const IMB_JOB& w) { return w.status == IMB_STATUS_COMPLETED; });
    }
    static void fail(std::span<PacketJob> jobs) noexcept {
        for (PacketJob& job : jobs) job.ok = false;
    }

    // Header, IV, text and ICV one behind the other, as in a packet. Anything else goes the portable way.
    static bool laid_out(const PacketJob& job, const std::uint8_t* text) noexcept {
        return job.aad.data() + job.aad.size() == job.nonce.data() &&
               job.nonce.data() + job.nonce.size() == text && text + job.in.size() == job.tag.data() &&
               job.tag.size() >= job.aad_tail.size();
    }
    static bool laid_out_for_seal(const PacketJob& job) noexcept { return laid_out(job, job.out); }
    static bool laid_out_for_open(const PacketJob& job) noexcept { return laid_out(job, job.in.data()); }

    void start_hash(Bytes key, std::uint8_t pad, std::uint8_t* state) noexcept {
        std::array<std::uint8_t, 128> block;
        block.fill(pad);
        for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<std::uint8_t>(block[i] ^ key[i]);
        hash_.one_block(block.data(), state);
        imb_clear_mem(block.data(), block.size());
    }

    std::shared_ptr<IMB_MGR> manager_;
    esp::SuiteShape shape_;
    HashShape hash_;
    Direction direction_;
    std::unique_ptr<PacketCipher> portable_;
    Keys keys_;
    std::array<IMB_JOB, kBurst> work_{};
};

}  // namespace

Result<std::unique_ptr<PacketCipher>, std::string> make_ipsec_mb_cbc_hmac(std::shared_ptr<IMB_MGR> manager,
                                                                          esp::Suite suite,
                                                                          Direction direction,
                                                                          Bytes material) {
    auto portable = make_openssl_cbc_hmac(suite, direction, material);
    if (!portable) return portable;
    return std::unique_ptr<PacketCipher>(std::make_unique<MultiBufferCbcHmac>(
        std::move(manager), suite, direction, material, std::move(portable).value()));
}

}  // namespace isthmus::crypto

#endif
