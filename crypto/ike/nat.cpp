#include "crypto/ike/nat.h"

#include <algorithm>

#include "crypto/digest.h"

namespace isthmus::crypto::ike {

std::vector<std::uint8_t> nat_detection_hash(IkeSpi initiator, IkeSpi responder, const Endpoint& endpoint) {
    ByteWriter in;
    in.u64(raw(initiator)).u64(raw(responder)).bytes(endpoint.address.bytes()).u16(endpoint.port);
    return digest(Hash::sha1, in.view());
}

std::vector<std::uint8_t> false_nat_detection_hash(Rng& rng) {
    std::vector<std::uint8_t> hash(hash_size(Hash::sha1));
    rng.fill(hash);
    return hash;
}

NatState detect_nat(IkeSpi initiator, IkeSpi responder, const Path& path,
                    std::span<const Bytes> source_hashes, std::span<const Bytes> destination_hashes) {
    NatState state;
    state.supported = !source_hashes.empty() && !destination_hashes.empty();
    if (!state.supported) return state;
    const auto is_among = [](std::span<const Bytes> hashes, const std::vector<std::uint8_t>& wanted) {
        return std::ranges::any_of(hashes, [&](Bytes hash) { return equal_constant_time(hash, wanted); });
    };
    state.remote_behind = !is_among(source_hashes, nat_detection_hash(initiator, responder, path.remote));
    state.local_behind = !is_among(destination_hashes, nat_detection_hash(initiator, responder, path.local));
    return state;
}

}  // namespace isthmus::crypto::ike
