#include "stp-guard/event_gatherer.h"

#include <doctest/doctest.h>

#include <chrono>
#include <vector>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr PortId kVlans{7};

GuardEvent event(GuardEventId id, std::uint16_t vid, PortId port = kVlans) {
    return {id, Severity::critical, {port, vid}, vlan_text(vid) + " on dc2: something.", TimePoint{}, 2};
}

std::vector<GatheredEvent> told(EventGatherer& of) {
    std::vector<GatheredEvent> out;
    while (auto one = of.poll_event()) out.push_back(std::move(*one));
    return out;
}

/// Calls on_timeout() when it is asked for, until then.
void run_until(EventGatherer& gatherer, TimePoint end) {
    while (const auto at = gatherer.next_timeout()) {
        if (*at > end) break;
        gatherer.on_timeout(*at);
    }
}

}  // namespace

TEST_CASE("one event is told at once, as it is, and nothing is remembered for long") {
    EventGatherer gatherer;
    gatherer.add(event(GuardEventId::blocked, 10), TimePoint{100s});
    const auto all = told(gatherer);
    REQUIRE(all.size() == 1);
    CHECK(all[0].event.sentence == "VLAN 10 on dc2: something.");
    CHECK(all[0].vlans.text() == "10");
    CHECK_FALSE(all[0].untagged);
    run_until(gatherer, TimePoint{110s});
    CHECK(told(gatherer).empty());
    CHECK_FALSE(gatherer.next_timeout().has_value());
}

TEST_CASE(
    "a loop in 4,094 VLANs and untagged, found over half a minute, is a handful of events that name all of "
    "them") {
    EventGatherer gatherer;
    TimePoint now{100s};
    std::vector<GatheredEvent> all;
    for (std::uint16_t vid = 0; vid < 4095; ++vid) {
        gatherer.add(event(GuardEventId::blocked, vid), now);
        now += 8ms;
        run_until(gatherer, now);
        for (auto& one : told(gatherer)) all.push_back(std::move(one));
    }
    run_until(gatherer, now + 20s);
    for (auto& one : told(gatherer)) all.push_back(std::move(one));
    CHECK(all.size() <= 8);
    VlanSet vlans;
    bool untagged = false;
    std::size_t sum = 0;
    for (const GatheredEvent& one : all) {
        sum += one.vlans.size();
        vlans = vlans.united(one.vlans);
        untagged = untagged || one.untagged;
        CHECK(one.event.witnesses == 2);
    }
    CHECK(vlans == VlanSet::all());
    CHECK(sum == 4094);
    CHECK(untagged);
    REQUIRE(all.size() >= 2);
    CHECK(all[1].event.sentence.find("VLANs 1-") == 0);
    CHECK(all[1].event.sentence.find(", each like this one: VLAN 1 on dc2: something.") != std::string::npos);
}

TEST_CASE(
    "other ports and other kinds of events do not wait for each other, and what differs by host never "
    "waits") {
    EventGatherer gatherer;
    const TimePoint now{100s};
    gatherer.add(event(GuardEventId::blocked, 10), now);
    gatherer.add(event(GuardEventId::blocked, 10, PortId{8}), now);
    gatherer.add(event(GuardEventId::opened, 10), now);
    for (int i = 0; i < 3; ++i) gatherer.add(event(GuardEventId::duplicate_mac, 10), now);
    CHECK(told(gatherer).size() == 6);
    gatherer.add(event(GuardEventId::blocked, 11), now);
    CHECK(told(gatherer).empty());
}

TEST_CASE("what waits is told when there is no more time to wait") {
    EventGatherer gatherer;
    const TimePoint now{100s};
    for (const int vid : {10, 11, 12, 0})
        gatherer.add(event(GuardEventId::blocked, static_cast<std::uint16_t>(vid)), now);
    CHECK(told(gatherer).size() == 1);
    gatherer.flush();
    const auto rest = told(gatherer);
    REQUIRE(rest.size() == 1);
    CHECK(rest[0].event.sentence.find("VLANs 11-12 and untagged frames, each like this one: ") == 0);
    CHECK_FALSE(gatherer.next_timeout().has_value());
}
