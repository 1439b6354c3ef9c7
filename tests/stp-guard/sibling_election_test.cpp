#include "stp-guard/sibling_election.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kStart{1000s};
}

TEST_CASE("alone means all is ours") {
    const SiblingElection election(NodeId{5});
    CHECK(election.alone(110));
    CHECK(election.forwarder(110, true) == NodeId{5});
    CHECK(election.forwarder(110, false) == NodeId{5});
}

TEST_CASE("two siblings share VLANs by number and agree on it") {
    SiblingElection low(NodeId{5});
    SiblingElection high(NodeId{9});
    for (std::uint16_t vid = 1; vid <= 10; ++vid) {
        CHECK(low.on_sibling(vid, NodeId{9}, true, kStart));
        CHECK_FALSE(low.on_sibling(vid, NodeId{9}, true, kStart));
        (void)high.on_sibling(vid, NodeId{5}, true, kStart);
        CHECK(low.forwarder(vid, true) == high.forwarder(vid, true));
        CHECK(low.forwarder(vid, true) == (vid % 2 == 0 ? NodeId{5} : NodeId{9}));
    }
    CHECK(low.siblings() == std::vector{NodeId{9}});
}

TEST_CASE("who has no session does not forward, and a VLAN that the sibling lacks is ours") {
    SiblingElection election(NodeId{5});
    (void)election.on_sibling(1, NodeId{9}, false, kStart);
    CHECK(election.forwarder(1, true) == NodeId{5});
    CHECK(election.on_sibling(1, NodeId{9}, true, kStart));
    CHECK(election.forwarder(1, true) == NodeId{9});
    CHECK(election.forwarder(1, false) == NodeId{9});
    CHECK(election.forwarder(3, true) == NodeId{5});
}

TEST_CASE("a silent sibling is gone") {
    SiblingElection election(NodeId{5});
    (void)election.on_sibling(1, NodeId{9}, true, kStart);
    CHECK_FALSE(election.expire(4s, kStart + 3s));
    CHECK(election.expire(4s, kStart + 4s));
    CHECK(election.alone(1));
}
