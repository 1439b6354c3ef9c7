#include "crypto/io/choose_provider.h"

#include <time.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>

namespace isthmus::crypto::io {

namespace {

constexpr std::size_t kPacket = 1408;  // a multiple of 16, near a full packet
constexpr std::size_t kBurst = 32;
constexpr auto kMeasured = std::chrono::milliseconds(20);

struct Candidate {
    ProviderKind kind;
    std::string problem;  ///< empty: usable
    double megabytes_per_second = 0;
};

/// Time that this thread has spent on a CPU: what else runs here must not decide.
Duration thread_time() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

/// Sealing speed with `suite` over kMeasured.
double measure(CipherProvider& provider, esp::Suite suite) {
    const esp::SuiteShape shape = shape_of(suite);
    const std::vector<std::uint8_t> material(shape.key_material(), 1);
    const auto cipher = provider.make(suite, Direction::seal, material);
    if (!cipher) return 0;
    const std::size_t head = esp::kHeaderSize + esp::kMaxIvSize;
    const std::size_t stride = head + kPacket + shape.icv;
    std::vector<std::uint8_t> memory(stride * kBurst);
    std::array<PacketJob, kBurst> jobs;
    for (std::size_t i = 0; i < kBurst; ++i) {
        const MutableBytes packet = MutableBytes(memory).subspan(i * stride, stride);
        PacketJob& job = jobs[i];
        job.aad = packet.first(esp::kHeaderSize);
        job.nonce = packet.subspan(esp::kHeaderSize, shape.is_aead() ? 12 : 16);
        job.in = packet.subspan(head, kPacket);
        job.out = packet.data() + head;
        job.tag = packet.last(shape.icv);
    }
    (*cipher)->seal(jobs);  // caches warm, pages there
    const auto start = thread_time();
    auto passed = Duration::zero();
    std::size_t bytes = 0;
    while (passed < kMeasured) {
        (*cipher)->seal(jobs);
        bytes += kPacket * kBurst;
        passed = thread_time() - start;
    }
    return static_cast<double>(bytes) / std::chrono::duration<double>(passed).count() / 1e6;
}

Candidate examine(const MakeProvider& make, ProviderKind kind, esp::Suite suite, bool with_speed) {
    Candidate candidate{kind, {}, 0};
    auto provider = make(kind);
    if (!provider) {
        candidate.problem = provider.error();
    } else if (auto passed = self_test(**provider); !passed) {
        candidate.problem = "self-test failed: " + passed.error();
    } else if (with_speed) {
        candidate.megabytes_per_second = measure(**provider, suite);
    }
    return candidate;
}

std::string speed_text(const Candidate& candidate) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), " at %.0f MB/s", candidate.megabytes_per_second);
    return std::string(name_of(candidate.kind)) + text.data();
}

ProviderChoice faster_of(const Candidate& openssl, const Candidate& ipsec_mb, esp::Suite suite) {
    const bool mb = ipsec_mb.megabytes_per_second > openssl.megabytes_per_second;
    const Candidate& winner = mb ? ipsec_mb : openssl;
    const Candidate& other = mb ? openssl : ipsec_mb;
    ProviderChoice choice{
        winner.kind,
        {{openssl.kind, openssl.megabytes_per_second}, {ipsec_mb.kind, ipsec_mb.megabytes_per_second}},
        {}};
    choice.why = std::string(name_of(winner.kind)) + " is faster here with " +
                 std::string(shape_of(suite).name) + ": " + speed_text(winner) + " against " +
                 speed_text(other);
    return choice;
}

}  // namespace

Result<ProviderChoice, std::string> choose_provider(ProviderWish wish, esp::Suite suite,
                                                    const MakeProvider& make) {
    if (wish != ProviderWish::automatic) {
        const ProviderKind kind =
            wish == ProviderWish::openssl ? ProviderKind::openssl : ProviderKind::ipsec_mb;
        const Candidate only = examine(make, kind, suite, false);
        if (!only.problem.empty())
            return Unexpected(std::string(name_of(kind)) + " cannot be used: " + only.problem);
        return ProviderChoice{kind, {}, std::string(name_of(kind)) + ", as configured"};
    }
    const Candidate openssl = examine(make, ProviderKind::openssl, suite, true);
    const Candidate ipsec_mb = examine(make, ProviderKind::ipsec_mb, suite, true);
    if (openssl.problem.empty() && ipsec_mb.problem.empty()) return faster_of(openssl, ipsec_mb, suite);
    if (!openssl.problem.empty() && !ipsec_mb.problem.empty())
        return Unexpected("no cryptographic library can be used: openssl: " + openssl.problem +
                          "; ipsec-mb: " + ipsec_mb.problem);
    const bool mb = !openssl.problem.empty();
    const Candidate& winner = mb ? ipsec_mb : openssl;
    const Candidate& other = mb ? openssl : ipsec_mb;
    return ProviderChoice{winner.kind,
                          {{winner.kind, winner.megabytes_per_second}},
                          std::string(name_of(winner.kind)) + ", because " +
                              std::string(name_of(other.kind)) + " cannot be used: " + other.problem};
}

}  // namespace isthmus::crypto::io
