#include "crypto/ike/nat.h"

#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {

const SpiPair kSpis{IkeSpi{1}, IkeSpi{2}};
const Endpoint kA{IpAddress::v4({192, 0, 2, 1}), 500};
const Endpoint kB{IpAddress::v4({192, 0, 2, 2}), 500};
/// At B, from A.
const Path kPath{kB, kA, std::nullopt};

std::vector<Payload> hashes(const std::vector<Endpoint>& sources, const Endpoint& destination) {
    std::vector<Payload> payloads;
    for (const Endpoint& source : sources)
        payloads.emplace_back(
            NotifyPayload{NotifyType::nat_detection_source_ip, nat_detection_hash(kSpis, source)});
    payloads.emplace_back(
        NotifyPayload{NotifyType::nat_detection_destination_ip, nat_detection_hash(kSpis, destination)});
    return payloads;
}

}  // namespace

TEST_CASE("hashes that fit both addresses: no NAT") {
    const NatState nat = detect_nat(kSpis, kPath, hashes({kA}, kB));
    CHECK(nat.supported);
    CHECK_FALSE(nat.any());
}

TEST_CASE("a source that does not fit: the sender is behind a NAT") {
    const NatState nat = detect_nat(kSpis, kPath, hashes({{kA.address, 501}}, kB));
    CHECK(nat.remote_behind);
    CHECK_FALSE(nat.local_behind);
}

TEST_CASE("a destination that does not fit: we are") {
    const NatState nat = detect_nat(kSpis, kPath, hashes({kA}, kA));
    CHECK(nat.local_behind);
    CHECK_FALSE(nat.remote_behind);
}

TEST_CASE("of several sources one that fits is enough") {
    CHECK_FALSE(detect_nat(kSpis, kPath, hashes({kB, kA}, kB)).any());
}

TEST_CASE("without both notifications nothing is concluded") {
    auto payloads = hashes({kA}, kB);
    payloads.pop_back();
    CHECK_FALSE(detect_nat(kSpis, kPath, payloads).supported);
    CHECK_FALSE(detect_nat(kSpis, kPath, {}).any());
}

TEST_CASE("a false hash fits nothing, and is never the same") {
    test::SeededRng rng(1);
    CHECK(false_nat_detection_hash(rng) != false_nat_detection_hash(rng));
    std::vector<Payload> payloads = hashes({}, kB);
    payloads.emplace_back(NotifyPayload{NotifyType::nat_detection_source_ip, false_nat_detection_hash(rng)});
    CHECK(detect_nat(kSpis, kPath, payloads).remote_behind);
}
