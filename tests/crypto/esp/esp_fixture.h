// A pair of SAs with one key, and packets to send through them.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "crypto/esp/inbound_sa.h"
#include "crypto/esp/outbound_sa.h"
#include "tests/crypto/seeded_rng.h"

namespace isthmus::test {

using namespace crypto::esp;  // NOLINT(google-build-using-namespace)

inline std::vector<std::uint8_t> counted_bytes(std::size_t n, std::uint8_t first = 0) {
    std::vector<std::uint8_t> bytes(n);
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
    return bytes;
}

inline SaOptions options_for(Suite suite, bool extended = true, std::uint32_t window = 64) {
    SaOptions options;
    options.spi = Spi{0xc0000001};
    options.suite = suite;
    options.key = crypto::SecretBytes(counted_bytes(key_size(suite), 7));
    options.extended_sequence = extended;
    options.replay_window = window;
    return options;
}

class EspFixture {
  public:
    explicit EspFixture(crypto::ProviderKind kind = crypto::ProviderKind::openssl) {
        auto made = crypto::make_provider(kind);
        REQUIRE(made);
        provider = std::move(made).value();
    }

    [[nodiscard]] std::unique_ptr<OutboundSa> outbound(const SaOptions& options, SequenceRange range = {}) {
        auto sa = OutboundSa::create(options, range, *provider, rng);
        REQUIRE(sa);
        return std::move(sa).value();
    }
    [[nodiscard]] std::unique_ptr<InboundSa> inbound(const SaOptions& options,
                                                     std::uint64_t highest_seen = 0) {
        auto sa = InboundSa::create(options, highest_seen, *provider);
        REQUIRE(sa);
        return std::move(sa).value();
    }
    [[nodiscard]] PacketBuffer packet(Bytes data, std::uint8_t next_header = 17) {
        auto packet = pool.allocate(64);
        REQUIRE(packet);
        std::ranges::copy(data, packet->append(data.size()).begin());
        packet->meta.next_header = next_header;
        return std::move(*packet);
    }
    DropReason seal(OutboundSa& sa, PacketBuffer& packet) {
        PacketBuffer* one = &packet;
        sa.seal({&one, 1}, *scratch);
        return packet.meta.drop;
    }
    DropReason open(InboundSa& sa, PacketBuffer& packet) {
        PacketBuffer* one = &packet;
        sa.open({&one, 1}, *scratch);
        return packet.meta.drop;
    }
    /// The ESP packet for `payload`.
    [[nodiscard]] std::vector<std::uint8_t> sealed(OutboundSa& sa, Bytes payload,
                                                   std::uint8_t next_header = 17) {
        auto p = packet(payload, next_header);
        REQUIRE(seal(sa, p) == DropReason::none);
        return {p.data().begin(), p.data().end()};
    }
    /// What becomes of `esp`.
    DropReason opened(InboundSa& sa, Bytes esp) {
        auto p = packet(esp, 0);
        return open(sa, p);
    }

    PacketPool pool{2304, 300};
    SeededRng rng{1};
    std::unique_ptr<crypto::CipherProvider> provider;
    std::unique_ptr<JobScratch> scratch = std::make_unique<JobScratch>();
};

/// Every provider that this machine has.
inline std::vector<crypto::ProviderKind> provider_kinds() {
    std::vector<crypto::ProviderKind> kinds{crypto::ProviderKind::openssl};
    if (crypto::make_provider(crypto::ProviderKind::ipsec_mb))
        kinds.push_back(crypto::ProviderKind::ipsec_mb);
    return kinds;
}

}  // namespace isthmus::test
