#include "appliance/l2tp_view.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tunnel/control_auth.h"
#include "tunnel/control_message.h"

using namespace isthmus;
using namespace isthmus::appliance;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

tunnel::ControlStatus sample() {
    tunnel::ConnectionStatus up;
    up.tunnel = TunnelIndex{0};
    up.name = "cloud";
    up.state = "established";
    up.established = true;
    up.local_id = ControlConnectionId{0x11223344};
    up.remote_id = ControlConnectionId{1};
    up.path.local = {IpAddress::v4({192, 0, 2, 1}), 1701};
    up.path.remote = {IpAddress::v4({192, 0, 2, 2}), 1701};
    up.peer_host = "vm\x1b[31m";
    up.quirks = {"router-id-zero"};
    up.age = 3725s;
    up.messages_sent = 12'345;
    up.sessions_up = 1;
    tunnel::ConnectionStatus waiting;
    waiting.tunnel = TunnelIndex{1};
    waiting.name = "lab";
    waiting.state = "wait-ctl-reply";
    waiting.reason = "no answer to SCCRQ";
    waiting.authenticated = true;

    tunnel::SessionStatus session;
    session.session = SessionIndex{0};
    session.tunnel = TunnelIndex{0};
    session.name = "vlans";
    session.remote_end_id = "vlans";
    session.established = true;
    session.negotiated.options.local_id = SessionId{0xa1b2c3d4};
    session.negotiated.options.remote_id = SessionId{7};
    session.negotiated.options.local_cookie.size = 8;
    session.negotiated.options.local_cookie.bytes = {0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef};
    session.negotiated.options.send_sublayer = tunnel::Sublayer::standard;
    session.negotiated.options.send_sequence = true;
    tunnel::SessionStatus down;
    down.tunnel = TunnelIndex{1};
    down.session = SessionIndex{1};
    down.name = "other";
    down.state = "wait-control-conn";
    down.reason = "the control connection is not up";
    return {{up, waiting}, {session, down}, {}};
}

std::optional<tunnel::BfdStatus> bfd_of(SessionIndex session) {
    if (session != SessionIndex{0}) return std::nullopt;
    tunnel::BfdStatus bfd;
    bfd.state = tunnel::BfdState::up;
    bfd.send_interval = 300ms;
    bfd.detection_time = 900ms;
    return bfd;
}

}  // namespace

TEST_CASE("tunnels are shown with peers, messages and quirks in words") {
    const json answer = tunnels_json(sample());
    CHECK(answer["tunnels"].size() == 2);
    CHECK(answer["tunnels"][0]["state"] == "up");
    CHECK(answer["tunnels"][0]["peer"]["quirks"][0]["name"] == "router-id-zero");
    const std::string text = render_tunnels(answer, false);
    CHECK(text.find("cloud") != std::string::npos);
    CHECK(text.find("1 h 2 min") != std::string::npos);
    CHECK(text.find("0x11223344 / 0x00000001") != std::string::npos);
    CHECK(text.find("peer sends a Router ID of 0; it is told from others by its host name") !=
          std::string::npos);
    CHECK(text.find("control messages are not authenticated") != std::string::npos);
    CHECK(text.find("wait-ctl-reply: no answer to SCCRQ") != std::string::npos);
}

TEST_CASE("a peer's name cannot steer the terminal") {
    const std::string text = render_tunnels(tunnels_json(sample()), false);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("vm\\x1b[31m") != std::string::npos);
}

TEST_CASE("sessions are shown with ids, circuits and data paths, cookies by size only") {
    const json answer = sessions_json(sample(), bfd_of);
    CHECK(answer["sessions"][0]["tunnel"] == "cloud");
    CHECK(answer["sessions"][0]["liveness"]["state"] == "up");
    CHECK(answer["sessions"][1]["liveness"].is_null());
    CHECK(answer.dump().find("deadbeef") == std::string::npos);
    const std::string text = render_sessions(answer, false);
    CHECK(text.find("BFD up (300 ms, dead after 900 ms)") != std::string::npos);
    CHECK(text.find("out: cookie 0, sublayer, sequenced; in: cookie 8") != std::string::npos);
    CHECK(text.find("wait-control-conn: the control connection is not up") != std::string::npos);
}

TEST_CASE("a traced message has time, direction, names and values") {
    const auto packet =
        tunnel::plain_message({ControlConnectionId{1}, 0, 1}, tunnel::emit_body(tunnel::Hello{}));
    const json part = trace_json(1'700'000'000.25, true, tunnel::Encapsulation::udp,
                                 {IpAddress::v4({192, 0, 2, 2}), 1701}, packet, nullptr);
    CHECK(part["direction"] == "out");
    CHECK(part["message"] == "HELLO to 0x00000001, Ns 0, Nr 1, 20 bytes");
    const std::string text = render_trace(part);
    CHECK(text.find(".250 -> 192.0.2.2:1701  HELLO to 0x00000001") != std::string::npos);
}
