#include "stp-guard/probe_ledger.h"

#include <doctest/doctest.h>

#include <set>

#include "tests/crypto/seeded_rng.h"
#include "tests/stp-guard/toy_authenticator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};
constexpr Identity kSelf{DomainId{1}, SiteId{1}, NodeId{1}};
constexpr Identity kOther{DomainId{1}, SiteId{2}, NodeId{2}};
const ToyAuthenticator kAuthenticator;

struct Node {
    explicit Node(Identity identity = kSelf, std::uint64_t seed = 1) : rng(seed), ledger(identity, {}, rng) {}

    std::vector<std::uint8_t> send(TimePoint now = kStart, std::uint16_t vid = 110) {
        return emit(ledger.next({PortId{1}, vid}, PortKind::lan, 0, now), kAuthenticator);
    }
    std::string judge(const std::vector<std::uint8_t>& frame, TimePoint now = kStart, std::uint16_t vid = 110,
                      const FrameAuthenticator& authenticator = kAuthenticator) {
        const auto received = parse_loop_probe(frame);
        REQUIRE(received);
        const auto accepted = ledger.judge(*received, vid, authenticator, now);
        return accepted ? accepted->own ? "own" : "other's" : std::string(name_of(accepted.error()));
    }

    SeededRng rng;
    ProbeLedger ledger;
};

}  // namespace

TEST_CASE("a fresh probe of our own is known as such, with the time it took") {
    Node node;
    const auto frame = node.send();
    const auto received = parse_loop_probe(frame);
    const auto accepted = node.ledger.judge(*received, 110, kAuthenticator, kStart + 12ms);
    REQUIRE(accepted);
    CHECK(accepted->own);
    CHECK(accepted->travelled == 12ms);
    CHECK(node.ledger.last_sent({PortId{1}, 110}) == kStart);
    CHECK_FALSE(node.ledger.last_sent({PortId{1}, 111}).has_value());
}

TEST_CASE("each rule has its own refusal") {
    Node node;
    const auto frame = node.send();
    CHECK(node.judge(frame, kStart, 110, ToyAuthenticator{2}) == "bad_mac");
    CHECK(node.judge(frame, kStart, 111) == "vlan_leak");
    CHECK(node.judge(frame, kStart + 30s) == "too_old");
    CHECK(node.judge(frame, kStart - 1ns) == "too_old");

    auto altered = frame;
    altered[11] ^= 1;
    CHECK(node.judge(altered) == "altered");

    Node earlier_boot(kSelf, 2);
    CHECK(node.judge(earlier_boot.send()) == "other_boot");
    Node other_domain({DomainId{2}, SiteId{1}, NodeId{1}});
    CHECK(node.judge(other_domain.send()) == "unknown_domain");
    Node other_site({DomainId{1}, SiteId{9}, NodeId{1}});
    CHECK(node.judge(other_site.send()) == "same_identity");

    node.ledger.forget_port(PortId{1});
    CHECK(node.judge(frame) == "unknown_port");
}

TEST_CASE("a number that was not sent yet, and one that is not among the last 64, are refused") {
    Node node;
    Node twin;  // the same seed: the same nonce
    const auto first = node.send();
    for (int i = 0; i < 2; ++i) (void)twin.send();
    CHECK(node.judge(twin.send()) == "never_sent");
    for (int i = 0; i < 63; ++i) (void)node.send();
    CHECK(node.judge(first) == "own");
    (void)node.send();
    CHECK(node.judge(first) == "stale_sequence");
}

TEST_CASE(
    "another's probe is believed unless it is older than what was heard, or of another boot while that one "
    "lives") {
    Node node;
    Node other(kOther, 3);
    const auto old = other.send();
    CHECK(node.judge(old) == "other's");
    CHECK(node.judge(old) == "other's");
    for (int i = 0; i < 64; ++i) (void)node.judge(other.send());
    CHECK(node.judge(old) == "replayed_foreign");

    Node rebooted(kOther, 4);
    CHECK(node.judge(rebooted.send(), kStart + 1s) == "replayed_foreign");
    CHECK(node.judge(rebooted.send(), kStart + 6s) == "other's");

    // Who proved its nonce in a message need not wait.
    Node again(kOther, 5);
    node.ledger.know_peer(kOther.node, again.ledger.boot_nonce(), kStart + 7s);
    CHECK(node.judge(again.send(), kStart + 7s) == "other's");
    CHECK(node.judge(rebooted.send(), kStart + 7s) == "replayed_foreign");
}

TEST_CASE("destinations alternate between multicast and broadcast, and decoys come unforeseen") {
    Node node;
    std::vector<ProbeKind> kinds;
    std::set<MacAddress> decoys;
    for (int i = 0; i < 400; ++i) {
        const auto probe = node.ledger.next({PortId{1}, 1}, PortKind::lan, 0, kStart);
        kinds.push_back(kind_of(probe.destination));
        if (kinds.back() == ProbeKind::decoy) decoys.insert(probe.destination);
        CHECK(is_guard_source(probe.source));
    }
    CHECK(decoys.size() > 60);
    CHECK(decoys.size() < 140);
    std::erase(kinds, ProbeKind::decoy);
    for (std::size_t i = 1; i < kinds.size(); ++i) CHECK(kinds[i] != kinds[i - 1]);
}

TEST_CASE("two processes never share a nonce, and none is 0") {
    std::set<std::uint64_t> nonces;
    for (std::uint64_t seed = 0; seed < 100; ++seed) nonces.insert(Node(kSelf, seed).ledger.boot_nonce());
    CHECK(nonces.size() == 100);
    CHECK_FALSE(nonces.contains(0));
}
