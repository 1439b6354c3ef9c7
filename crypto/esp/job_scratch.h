// Working memory for one batch of cipher jobs: one per stage, so that SAs need none of their own.
#pragma once

#include <array>
#include <cstdint>

#include "base/packet_buffer.h"
#include "crypto/packet_cipher.h"

namespace isthmus::crypto::esp {

inline constexpr std::size_t kJobsAtOnce = 64;

struct JobScratch {
    std::array<PacketJob, kJobsAtOnce> jobs;
    std::array<PacketBuffer*, kJobsAtOnce> packets{};
    std::array<std::uint64_t, kJobsAtOnce> sequences{};
    std::array<std::size_t, kJobsAtOnce> payload_sizes{};
    std::array<std::array<std::uint8_t, 12>, kJobsAtOnce> nonces{};
    std::array<std::array<std::uint8_t, 12>, kJobsAtOnce> aads{};
    std::array<std::uint8_t, kJobsAtOnce * kMaxIvSize> ivs{};
};

}  // namespace isthmus::crypto::esp
