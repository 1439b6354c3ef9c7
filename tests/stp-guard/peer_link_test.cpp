#include "stp-guard/peer_link.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};
constexpr Identity kSelf{DomainId{1}, SiteId{1}, NodeId{1}};
constexpr std::uint64_t kOurNonce = 77;
using Outcome = PeerLink::Outcome;

GuardMessage message(std::uint64_t seq, std::uint64_t echo = kOurNonce, std::uint64_t nonce = 88) {
    GuardMessage out;
    out.sender = {DomainId{1}, SiteId{2}, NodeId{2}};
    out.boot_nonce = nonce;
    out.nonce_echo = echo;
    out.seq = seq;
    out.tunnel_count = 3;
    out.port = PortId{5};
    return out;
}

struct Link {
    Link() { peer.on_link(true, kStart); }
    PeerLink peer{kSelf, kOurNonce, {}};
};

}  // namespace

TEST_CASE("a message that does not echo our nonce is answered, not believed") {
    Link link;
    CHECK(link.peer.on_message(message(1, 0), kStart) == Outcome::answer_it);
    CHECK_FALSE(link.peer.present(kStart));
    CHECK(link.peer.nonce_to_echo() == 88);
    CHECK(link.peer.on_message(message(2), kStart) == Outcome::believed);
    CHECK(link.peer.present(kStart));
    CHECK(link.peer.identity().node == NodeId{2});
    CHECK(link.peer.tunnel_count() == 3);
    CHECK(link.peer.port() == PortId{5});
}

TEST_CASE("replays are not fresh, and do not make us forget whom we talk to") {
    Link link;
    CHECK(link.peer.on_message(message(5), kStart) == Outcome::believed);
    CHECK(link.peer.on_message(message(5), kStart) == Outcome::not_fresh);
    CHECK(link.peer.on_message(message(4), kStart) == Outcome::not_fresh);
    CHECK(link.peer.on_message(message(9, 66), kStart) == Outcome::not_fresh);  // to an earlier boot of ours
    CHECK(link.peer.on_message(message(9, 66, 55), kStart) ==
          Outcome::answer_it);  // from an earlier boot of its own
    CHECK(link.peer.nonce_to_echo() == 88);
    CHECK(link.peer.on_message(message(6), kStart) == Outcome::believed);
}

TEST_CASE("a peer that restarts is believed again once it knows our nonce") {
    Link link;
    CHECK(link.peer.on_message(message(500), kStart) == Outcome::believed);
    CHECK(link.peer.on_message(message(1, 0, 99), kStart + 1s) == Outcome::answer_it);
    CHECK(link.peer.on_message(message(2, kOurNonce, 99), kStart + 1s) == Outcome::believed);
    CHECK(link.peer.nonce_to_echo() == 99);
}

TEST_CASE("our own identifiers, our own messages and other domains are told apart") {
    Link link;
    GuardMessage twin = message(1);
    twin.sender = {DomainId{1}, SiteId{2}, NodeId{1}};
    CHECK(link.peer.on_message(twin, kStart) == Outcome::refused);
    CHECK(link.peer.refused());
    twin = message(2);
    twin.sender.site = SiteId{1};
    CHECK(link.peer.on_message(twin, kStart) == Outcome::refused);
    CHECK(link.peer.on_message(message(3), kStart) == Outcome::believed);
    CHECK_FALSE(link.peer.refused());
    GuardMessage ours = message(4, kOurNonce, kOurNonce);
    ours.sender = kSelf;
    CHECK(link.peer.on_message(ours, kStart) == Outcome::our_own);
    GuardMessage foreign = message(5);
    foreign.sender.domain = DomainId{2};
    CHECK(link.peer.on_message(foreign, kStart) == Outcome::other_domain);
}

TEST_CASE("what a peer said about a VLAN holds for two and a half seconds") {
    Link link;
    GuardMessage told = message(1);
    told.vlans = {{110, VlanState::bum_blocked, Cause::backdoor, VlanEntry::kBlocks, 30}};
    CHECK(link.peer.on_message(told, kStart) == Outcome::believed);
    CHECK(link.peer.entry(110, kStart + 2s)->has(VlanEntry::kBlocks));
    CHECK_FALSE(link.peer.entry(111, kStart + 2s).has_value());
    CHECK_FALSE(link.peer.entry(110, kStart + 3s).has_value());
}

TEST_CASE("a peer without a guard is taken for one after three seconds, a silent one after thirty") {
    Link link;
    CHECK(link.peer.undecided(kStart + 2s));
    CHECK(link.peer.without_guard(kStart + 3s));
    CHECK(link.peer.on_message(message(1), kStart + 4s) == Outcome::believed);
    CHECK_FALSE(link.peer.without_guard(kStart + 5s));
    CHECK(link.peer.undecided(kStart + 10s));
    CHECK(link.peer.without_guard(kStart + 34s));
    link.peer.on_link(false, kStart + 40s);
    link.peer.on_link(true, kStart + 60s);
    CHECK_FALSE(link.peer.present(kStart + 60s));
    CHECK(link.peer.undecided(kStart + 80s));
    CHECK(link.peer.without_guard(kStart + 90s));
}
