#include "appliance/l2tp_plan.h"

#include <doctest/doctest.h>

#include "appliance/l2tp_digest.h"

using namespace isthmus;
using namespace isthmus::appliance;
using namespace std::chrono_literals;

namespace {

PlanPlaces places() {
    return {[](const std::string& name) { return TunnelIndex{static_cast<std::uint16_t>(name.size())}; },
            [](const std::string& name) { return SessionIndex{static_cast<std::uint32_t>(name.size())}; }};
}

/// Tunnel "cloud" is negotiated, "lab" static; one session each.
config::Configuration sample() {
    config::Configuration c;
    c.gateway.name = "dc-gw";
    c.tunnels.resize(2);
    c.tunnels[0].name = "cloud";
    c.tunnels[0].options.local = IpAddress::v4({192, 0, 2, 1});
    c.tunnels[0].options.remote = IpAddress::v4({192, 0, 2, 2});
    c.tunnels[0].control.emplace();
    c.tunnels[1].name = "lab";
    c.sessions.resize(2);
    c.sessions[0].name = "vlans";
    c.sessions[0].negotiation.emplace();
    c.sessions[0].negotiation->end_id = "pw1";
    c.sessions[1].name = "static";
    c.sessions[1].tunnel = 1;
    c.sessions[1].options.local_id = SessionId{77};
    return c;
}

tunnel::ControlPlan plan_of(const config::Configuration& c) {
    tunnel::GatewayIdentity self;
    self.software_version = "1.2";
    return control_plan(c, places(), std::make_shared<L2tpDigest>(), std::move(self));
}

}  // namespace

TEST_CASE(
    "negotiated tunnels and sessions become connections and pseudowires, static ones reserve their ids") {
    const auto plan = plan_of(sample());
    CHECK(plan.self.host_name == "dc-gw");
    CHECK(plan.self.software_version == "1.2");
    REQUIRE(plan.connections.size() == 1);
    CHECK(plan.connections[0].tunnel == TunnelIndex{5});
    CHECK(plan.connections[0].remote == IpAddress::v4({192, 0, 2, 2}));
    CHECK(plan.connections[0].keys == nullptr);
    CHECK(plan.connections[0].hello_interval == 10s);
    CHECK(plan.connections[0].receive_window == 16);
    REQUIRE(plan.pseudowires.size() == 1);
    CHECK(plan.pseudowires[0].tunnel == TunnelIndex{5});
    CHECK(plan.pseudowires[0].session == SessionIndex{5});
    CHECK(plan.pseudowires[0].remote_end_id == "pw1");
    CHECK(plan.pseudowires[0].cookie_size == 8);
    CHECK(plan.reserved == std::vector{SessionId{77}});
}

TEST_CASE("secrets become keys, and any peer or a named one has no address") {
    auto c = sample();
    const std::uint8_t secret[] = {'s'};
    c.tunnels[0].control->secrets.emplace_back(Bytes(secret, 1));
    c.tunnels[0].any_remote = true;
    const auto any = plan_of(c);
    REQUIRE(any.connections[0].keys);
    CHECK(any.connections[0].keys->size() == 1);
    CHECK(any.connections[0].any_remote());
    c.tunnels[0].any_remote = false;
    c.tunnels[0].remote_name = "gw.example";
    const auto named = plan_of(c);
    CHECK(named.connections[0].remote_name == "gw.example");
    CHECK_FALSE(named.connections[0].remote);
    CHECK_FALSE(named.connections[0].any_remote());
}

TEST_CASE("the channel is announced as the session can have it") {
    using tunnel::VccvCapability;
    auto c = sample();
    const auto without = plan_of(c);
    CHECK_FALSE(without.pseudowires[0].vccv);
    REQUIRE(without.pseudowires[0].channel);
    CHECK(without.pseudowires[0].channel->verifications == (VccvCapability::kBfd | VccvCapability::kEcho));
    c.sessions[0].options.receive_sublayer = tunnel::Sublayer::standard;
    const auto with = plan_of(c);
    CHECK(with.pseudowires[0].vccv == VccvCapability{VccvCapability::kSublayerChannel, VccvCapability::kBfd});
    c.sessions[0].negotiation->liveness.reset();
    const auto quiet = plan_of(c);
    CHECK_FALSE(quiet.pseudowires[0].vccv);
    CHECK(quiet.pseudowires[0].channel->verifications == VccvCapability::kEcho);
}

TEST_CASE("a gateway has a Router ID in any case") {
    auto c = sample();
    CHECK(router_id_of(c) == 0xc0000201);
    c.gateway.router_id = 42;
    CHECK(router_id_of(c) == 42);
    c.gateway.router_id.reset();
    c.tunnels.clear();
    CHECK(router_id_of(c) != 0);
    auto other = sample();
    other.tunnels.clear();
    other.gateway.name = "cloud-gw";
    CHECK(router_id_of(c) != router_id_of(other));
    CHECK(router_id_of(c) == router_id_of(c));
}
