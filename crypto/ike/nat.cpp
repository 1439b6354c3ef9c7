#include "crypto/ike/nat.h"

#include "crypto/digest.h"

namespace isthmus::crypto::ike {

namespace {

struct Match {
    bool present = false;
    bool fits = false;
};

Match match(std::span<const Payload> payloads, NotifyType type, const std::vector<std::uint8_t>& wanted) {
    Match result;
    for (const Payload& payload : payloads) {
        const auto* notify = std::get_if<NotifyPayload>(&payload);
        if (notify == nullptr || notify->type != type) continue;
        result.present = true;
        result.fits = result.fits || equal_constant_time(notify->data, wanted);
    }
    return result;
}

}  // namespace

std::vector<std::uint8_t> false_nat_detection_hash(Rng& rng) {
    std::vector<std::uint8_t> hash(hash_size(Hash::sha1));
    rng.fill(hash);
    return hash;
}

NatState detect_nat(const SpiPair& spis, const Path& path, std::span<const Payload> payloads) {
    const Match source =
        match(payloads, NotifyType::nat_detection_source_ip, nat_detection_hash(spis, path.remote));
    const Match destination =
        match(payloads, NotifyType::nat_detection_destination_ip, nat_detection_hash(spis, path.local));
    if (!source.present || !destination.present) return {};
    return {true, !destination.fits, !source.fits};
}

}  // namespace isthmus::crypto::ike
