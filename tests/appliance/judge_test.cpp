#include "appliance/judge.h"

#include <doctest/doctest.h>

using namespace isthmus;
using appliance::attachment_of;
using appliance::Condition;
using appliance::RunState;
using bridge::StateWord;

namespace {

/// A session on bridge br, whose ports are as given.
appliance::SessionControl session_on_br() {
    auto config = std::make_shared<config::SessionConfig>();
    config->name = "s";
    config->interface = "ist-s";
    config->options.local_id = SessionId{1};
    config->options.remote_id = SessionId{2};
    return {config, "br", TunnelIndex{0}, SessionIndex{0}, 1};
}

bridge::Report report_of(StateWord state, std::vector<bridge::PortReport> ports) {
    bridge::Report report;
    bridge::BridgeReport br;
    br.name = "br";
    br.state = {state, state == StateWord::up ? "" : "why"};
    br.ports = std::move(ports);
    report.bridges.push_back(std::move(br));
    return report;
}

bridge::PortReport port(const std::string& name, bool tap, StateWord state) {
    return {name, tap, {state, ""}};
}

}  // namespace

TEST_CASE("the attachment circuit follows physical ports: one that is up is enough") {
    const auto s = session_on_br();
    CHECK(attachment_of(s, report_of(StateWord::up, {port("lan0", false, StateWord::up),
                                                     port("lan1", false, StateWord::waiting),
                                                     port("ist-s", true, StateWord::up)}))
              .is_up());
    const Condition down = attachment_of(s, report_of(StateWord::up, {port("lan0", false, StateWord::down),
                                                                      port("ist-s", true, StateWord::up)}));
    CHECK(down.state == RunState::down);
    CHECK(down.reason == "no physical port of bridge br is up");
}

TEST_CASE(
    "our own TAP's state says nothing about the attachment circuit, or two ends would hold each other down") {
    const auto s = session_on_br();
    CHECK(attachment_of(s, report_of(StateWord::down, {port("ist-s", true, StateWord::down)})).is_up());
    CHECK(attachment_of(s, report_of(StateWord::up, {})).is_up());
}

TEST_CASE("a bridge that is not there or not ours to use takes the attachment circuit down") {
    const auto s = session_on_br();
    CHECK(attachment_of(s, {}).state == RunState::waiting);
    CHECK(attachment_of(s, report_of(StateWord::conflict, {})).reason == "bridge br: why");
}

TEST_CASE("without its TAP a session keeps the reason why it has none") {
    auto s = session_on_br();
    s.condition = {RunState::down, "no /dev/net/tun"};
    CHECK(judge(s, {}, {}).reason == "no /dev/net/tun");
}
