// What both halves of an SA share: checking its options, and laying out one packet for the cipher. Not for
// others.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/esp/job_scratch.h"
#include "crypto/esp/options.h"
#include "crypto/esp/suite.h"

namespace isthmus::crypto::esp {

/// SPI and key length. Error: a sentence.
[[nodiscard]] Result<void, std::string> check_options(const SaOptions& options);

/// The AEAD salt: the last four bytes of the key material; zeros for CBC.
[[nodiscard]] inline std::array<std::uint8_t, 4> salt_of(const SaOptions& options) noexcept {
    std::array<std::uint8_t, 4> salt{};
    if (shape_of(options.suite).salt == salt.size())
        std::ranges::copy(options.key.reveal().last(4), salt.begin());
    return salt;
}

struct Framing {
    const SuiteShape& shape;
    const std::array<std::uint8_t, 4>& salt;
    bool extended;
};

/// Nonce, additional data and tag of the job for `packet` (SPI to ICV, header and IV filled in), with scratch
/// memory of place `index`, which is where the job is made: built elsewhere and copied it costs a third of the sealing. AEAD authenticates SPI and whole number in front (RFC 4106 section 5); HMAC
/// authenticates the header as sent, and the number's high half behind all else (RFC 4303 section 2.2.1).
[[nodiscard]] inline PacketJob& describe(const Framing& framing, MutableBytes packet, std::uint64_t sequence,
                                         JobScratch& scratch, std::size_t index) noexcept {
    const SuiteShape& shape = framing.shape;
    auto& nonce = scratch.nonces[index];
    auto& aad = scratch.aads[index];
    const Bytes iv = packet.subspan(kHeaderSize, shape.iv);
    PacketJob& job = scratch.jobs[index];
    job.tag = packet.last(shape.icv);
    job.aad = packet.first(kHeaderSize);
    job.aad_tail = {};
    job.ok = false;
    if (!shape.is_aead()) {
        job.nonce = iv;
        if (framing.extended) {
            store_be32(aad.data(), static_cast<std::uint32_t>(sequence >> 32));
            job.aad_tail = Bytes(aad).first(4);
        }
        return job;
    }
    std::ranges::copy(framing.salt, nonce.begin());
    std::ranges::copy(iv, nonce.begin() + 4);
    job.nonce = nonce;
    if (framing.extended) {
        std::copy_n(packet.data(), 4, aad.data());
        store_be64(aad.data() + 4, sequence);
        job.aad = aad;
    }
    return job;
}

}  // namespace isthmus::crypto::esp
