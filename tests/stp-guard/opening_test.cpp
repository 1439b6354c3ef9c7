#include "stp-guard/opening.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};

Bpdu bpdu(bool forwarding, Duration forward_delay = 15s) {
    Bpdu out;
    out.kind = BpduKind::rapid;
    out.version = 2;
    out.flags.bits = forwarding ? 0x3c : 0x0c;
    out.forward_delay = forward_delay;
    return out;
}

}  // namespace

TEST_CASE(
    "a LAN without a spanning tree is ready two seconds after its first frame, a silent one after five") {
    LanReadiness lan{OpeningOptions{}};
    CHECK_FALSE(lan.ready(kStart + 1h));
    lan.on_frame(kStart);
    lan.on_link(true, kStart);
    CHECK(lan.ready_at() == kStart + 5s);
    lan.on_frame(kStart + 1s);
    lan.on_frame(kStart + 2s);
    CHECK_FALSE(lan.ready(kStart + 2999ms));
    CHECK(lan.ready(kStart + 3s));
}

TEST_CASE("a link that carried frames before is ready at once, and only as long as it is there") {
    LanReadiness lan{OpeningOptions{}};
    lan.resume(kStart);
    CHECK_FALSE(lan.ready(kStart));
    lan.on_link(true, kStart);
    lan.resume(kStart);
    CHECK(lan.ready(kStart));
    lan.on_bpdu(bpdu(false), kStart + 1s);
    CHECK(lan.ready(kStart + 1s));
    lan.on_link(false, kStart + 2s);
    lan.on_link(true, kStart + 3s);
    CHECK_FALSE(lan.ready(kStart + 3s));
}

TEST_CASE("where BPDUs are seen, the port's own forwarding flag counts, or two of its forward delays") {
    LanReadiness lan{OpeningOptions{}};
    lan.on_link(true, kStart);
    lan.on_frame(kStart);
    lan.on_bpdu(bpdu(false, 10s), kStart + 1s);
    CHECK_FALSE_MESSAGE(lan.ready(kStart + 20s), "its first frames were the BPDUs");
    CHECK(lan.ready_at() == kStart + 21s);
    lan.on_bpdu(bpdu(true, 10s), kStart + 12s);
    CHECK(lan.ready_at() == kStart + 12s);
    CHECK(lan.ready(kStart + 12s));
}

TEST_CASE("a bridge that tells of an absurd forward delay does not keep a LAN waiting for ever") {
    LanReadiness lan{OpeningOptions{}};
    lan.on_link(true, kStart);
    lan.on_bpdu(bpdu(false, 255s), kStart);
    CHECK(lan.ready_at() == kStart + 60s);
}

TEST_CASE("ready stays ready until the link goes") {
    LanReadiness lan{OpeningOptions{}};
    lan.on_link(true, kStart);
    lan.on_frame(kStart);
    REQUIRE(lan.ready(kStart + 2s));
    lan.on_bpdu(bpdu(false), kStart + 3s);
    CHECK(lan.ready(kStart + 4s));
    lan.on_link(false, kStart + 5s);
    CHECK_FALSE(lan.ready(kStart + 6s));
    lan.on_link(true, kStart + 6s);
    CHECK_FALSE(lan.ready(kStart + 7s));
}

TEST_CASE("blocks last 30 s, double up to an hour, and forget one doubling for each quiet hour") {
    Backoff backoff{BlockOptions{}};
    TimePoint now = kStart;
    for (const Duration expected : {30s, 60s, 120s, 240s, 480s, 960s, 1920s, 3600s, 3600s}) {
        CHECK(backoff.trip(now) == expected);
        now += 10min;
    }
    CHECK(backoff.trips(now) == 9);
    now = backoff.last() + 2h;
    CHECK(backoff.trips(now) == 7);
    CHECK(backoff.trip(now) == 3600s);
    now = backoff.last() + 6h;
    CHECK(backoff.trip(now) == 120s);
    now = backoff.last() + 100h;
    CHECK(backoff.trips(now) == 0);
    CHECK(backoff.trip(now) == 30s);
}
