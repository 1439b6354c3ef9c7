#include "appliance/inventory.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "appliance/view_builder.h"

using namespace isthmus;
using appliance::Inventory;
using Notes = std::vector<std::string>;

namespace {

std::shared_ptr<config::Configuration> two_sites() {
    auto c = std::make_shared<config::Configuration>();
    c->bridges.resize(1);
    c->bridges[0].options.name = "br";
    for (const char* name : {"t1", "t2"}) {
        config::TunnelConfig t;
        t.name = name;
        t.options.local = *IpAddress::parse("192.0.2.1");
        t.options.remote = *IpAddress::parse(name == std::string("t1") ? "192.0.2.2" : "192.0.2.3");
        c->tunnels.push_back(std::move(t));
    }
    for (std::uint32_t i = 1; i <= 3; ++i) {
        config::SessionConfig s;
        s.name = "s" + std::to_string(i);
        s.interface = "ist-" + s.name;
        s.tunnel = i == 3 ? 1 : 0;
        s.options.local_id = SessionId{i};
        s.options.remote_id = SessionId{i};
        c->sessions.push_back(s);
    }
    return c;
}

}  // namespace

TEST_CASE("at start all is new; the same again is nothing") {
    Inventory inventory;
    CHECK(inventory.apply(two_sites()).size() == 6);
    CHECK(inventory.tunnels.size() == 2);
    CHECK(inventory.sessions.size() == 3);
    CHECK(inventory.apply(two_sites()) == Notes{});
}

TEST_CASE("what changed is changed in place; what did not keeps revision, place and sequence numbers") {
    Inventory inventory;
    inventory.apply(two_sites());
    const auto& s2 = *inventory.sessions.named("s2");
    const auto before = std::pair(s2.revision(), s2.incarnation());
    const auto old_key = appliance::publication_key(inventory.tunnels, inventory.sessions);

    auto next = two_sites();
    next->sessions[0].admission.any_vlan = true;
    next->tunnels[1].options.dscp = tunnel::DscpPolicy::copy_inner;
    std::swap(next->sessions[0], next->sessions[1]);  // order says nothing
    CHECK(inventory.apply(next) == Notes{"tunnel t2 changed", "session s1 changed"});
    CHECK(inventory.sessions.named("s2") == &s2);
    CHECK(std::pair(s2.revision(), s2.incarnation()) == before);
    CHECK(inventory.sessions.named("s1")->config().admission.any_vlan);
    CHECK(appliance::publication_key(inventory.tunnels, inventory.sessions) != old_key);
}

TEST_CASE("another id or tunnel starts sequence numbers anew; another VLAN list does not") {
    Inventory inventory;
    inventory.apply(two_sites());
    const auto& s1 = *inventory.sessions.named("s1");
    const auto incarnation = s1.incarnation();
    auto next = two_sites();
    next->sessions[0].admission.untagged = true;
    inventory.apply(next);
    CHECK(s1.incarnation() == incarnation);
    next = two_sites();
    next->sessions[0].tunnel = 1;
    CHECK(inventory.apply(next) == Notes{"session s1 changed"});
    CHECK(s1.incarnation() != incarnation);
    CHECK(s1.tunnel() == inventory.tunnels.named("t2")->index());
}

TEST_CASE("a removed tunnel's place is not the next one's, and its drops are remembered") {
    Inventory inventory;
    inventory.apply(two_sites());
    const auto place = inventory.tunnels.named("t2")->index();
    inventory.tunnels.named("t2")->out->dropped(DropReason::esp_no_sa);
    inventory.sessions.named("s3")->in->dropped(DropReason::port_blocked);
    auto next = two_sites();
    next->tunnels.pop_back();
    next->sessions.pop_back();
    CHECK(inventory.apply(next) == Notes{"session s3 removed", "tunnel t2 removed"});
    CHECK(inventory.of_the_gone.dropped_for(DropReason::esp_no_sa) == 1);
    CHECK(inventory.of_the_gone.dropped_for(DropReason::port_blocked) == 1);
    inventory.apply(two_sites());
    CHECK(inventory.tunnels.named("t2")->index() != place);
    CHECK(appliance::build_views(inventory.tunnels, inventory.sessions));
}

TEST_CASE("a session moves to a new tunnel while its old one goes") {
    Inventory inventory;
    inventory.apply(two_sites());
    auto next = two_sites();
    next->tunnels[1].name = "t3";
    const Notes notes = inventory.apply(next);
    CHECK(notes == Notes{"tunnel t3 added", "session s3 changed", "tunnel t2 removed"});
    CHECK(inventory.tunnels[inventory.sessions.named("s3")->tunnel()].config().name == "t3");
}

TEST_CASE("a session without ids waits to be negotiated, says why, and is in no table until it is") {
    Inventory inventory;
    auto c = two_sites();
    c->sessions[0].options.local_id = {};
    c->sessions[0].options.remote_id = {};
    inventory.apply(c);
    auto& s1 = *inventory.sessions.named("s1");
    CHECK(s1.is_negotiated());
    CHECK(s1.pseudowire_condition().state == appliance::RunState::waiting);
    auto views = appliance::build_views(inventory.tunnels, inventory.sessions);
    REQUIRE(views);
    CHECK(views->outbound->sessions->by_index(s1.index()) == nullptr);

    tunnel::SessionOptions agreed;
    agreed.local_id = SessionId{0x77};
    agreed.remote_id = SessionId{0x88};
    s1.set_negotiated(agreed, 5);
    CHECK(s1.pseudowire_condition().is_up());
    views = appliance::build_views(inventory.tunnels, inventory.sessions);
    REQUIRE(views);
    REQUIRE(views->inbound->sessions->by_local_id(SessionId{0x77}) != nullptr);
    CHECK(views->inbound->sessions->by_local_id(SessionId{0x77})->incarnation == 5);

    tunnel::SessionOptions next = agreed;
    next.local_id = SessionId{0x99};
    s1.set_negotiated(next, 6, appliance::SessionControl::Also{agreed.local_id, agreed.local_cookie});
    views = appliance::build_views(inventory.tunnels, inventory.sessions);
    REQUIRE(views);
    const auto& table = *views->inbound->sessions;
    CHECK(table.by_local_id(SessionId{0x99}) == table.by_index(s1.index()));
    CHECK(table.by_local_id(SessionId{0x77}) == table.by_index(s1.index()));

    s1.hold("bfd", appliance::Condition{appliance::RunState::down, "data path is dead"});
    CHECK(s1.pseudowire_condition().reason == "data path is dead");
    s1.hold("bfd", std::nullopt);
    CHECK(s1.pseudowire_condition().is_up());
    s1.clear_negotiated("peer sent CDN: administratively down");
    CHECK(s1.pseudowire_condition().reason == "peer sent CDN: administratively down");
}

TEST_CASE("a peer whose address is not known yet is waited for") {
    Inventory inventory;
    auto c = two_sites();
    c->tunnels[0].options.remote = {};
    inventory.apply(c);
    auto& t1 = *inventory.tunnels.named("t1");
    CHECK_FALSE(t1.way());
    CHECK(appliance::build_views(inventory.tunnels, inventory.sessions));
    auto options = t1.options();
    options.remote = *IpAddress::parse("198.51.100.9");
    t1.set_options(options);
    REQUIRE(t1.way());
    CHECK(t1.way()->remote.text() == "198.51.100.9:1701");
}
