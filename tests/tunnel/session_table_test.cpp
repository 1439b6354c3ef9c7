#include "tunnel/session_table.h"

#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {
std::string complaint_about(const std::vector<TunnelEntry>& tunnels,
                            const std::vector<SessionEntry>& sessions) {
    const auto built = SessionTable::build(tunnels, sessions);
    return built ? "" : built.error();
}
}  // namespace

TEST_CASE("a thousand sessions are found by index and by local id, and no others") {
    std::vector<SessionEntry> sessions;
    for (std::uint32_t i = 0; i < 1000; ++i) sessions.push_back(session_entry(i));
    const auto t = table({tunnel_entry()}, sessions);
    for (std::uint32_t i = 0; i < 1000; ++i) {
        REQUIRE(t->by_index(SessionIndex{i}) != nullptr);
        const SessionRow* row = t->by_local_id(SessionId{0xa1b2c3d4 + i});
        REQUIRE(row == t->by_index(SessionIndex{i}));
        CHECK(raw(row->remote_id) == 0x51627384 + i);
    }
    CHECK(t->by_index(SessionIndex{1000}) == nullptr);
    CHECK(t->by_index(kNoSession) == nullptr);
    CHECK(t->by_local_id(SessionId{0xa1b2c3d3}) == nullptr);
    CHECK(t->by_local_id(SessionId{0}) == nullptr);
}

TEST_CASE("an empty table finds nothing") {
    const auto t = table({}, {});
    CHECK(t->by_local_id(SessionId{1}) == nullptr);
    CHECK(t->by_index(SessionIndex{0}) == nullptr);
    CHECK(t->by_path(Encapsulation::udp, path_from_b()) == nullptr);
}

TEST_CASE("what makes no sense is refused with a sentence") {
    const auto one = tunnel_entry();
    CHECK(complaint_about({one, one}, {}) == "tunnel 0: index used twice");
    CHECK(complaint_about({one}, {session_entry(0, 7)}).find("tunnel is not in the table") !=
          std::string::npos);
    CHECK(complaint_about({one}, {session_entry(3), session_entry(3)}).find("index used twice") !=
          std::string::npos);

    auto same_id = session_entry(1);
    same_id.options.local_id = session_entry(0).options.local_id;
    CHECK(complaint_about({one}, {session_entry(0), same_id}).find("is used twice") != std::string::npos);

    auto zero = session_entry();
    zero.options.local_id = SessionId{0};
    CHECK(complaint_about({one}, {zero}).find("reserved") != std::string::npos);

    auto odd_cookie = session_entry();
    odd_cookie.options.remote_cookie = cookie("010203");
    CHECK(complaint_about({one}, {odd_cookie}).find("0, 4 or 8 bytes") != std::string::npos);

    auto unequal = session_entry();
    unequal.options.local_cookie = cookie("01020304");
    unequal.other_local_cookie = cookie("0102030405060708");
    CHECK(complaint_about({one}, {unequal}).find("one size") != std::string::npos);

    auto sequence = session_entry();
    sequence.options.send_sequence = true;
    CHECK(complaint_about({one}, {sequence}).find("sublayer") != std::string::npos);

    auto check = session_entry();
    check.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    CHECK(complaint_about({one}, {check}).find("sublayer") != std::string::npos);

    CHECK(complaint_about({one}, {session_entry(SessionTable::kMaxSessions)}).find("out of range") !=
          std::string::npos);
}

TEST_CASE("a tunnel outside ESP is found by addresses, encapsulation and port") {
    auto over_udp = tunnel_entry(Encapsulation::udp, 0);
    auto other_port = tunnel_entry(Encapsulation::udp, 1);
    other_port.options.remote_port = 5000;
    auto over_ip = tunnel_entry(Encapsulation::ip, 2);
    auto other_peer = tunnel_entry(Encapsulation::udp, 3);
    other_peer.options.remote = ip("192.0.2.3");
    other_peer.options.remote_port = 0;
    const auto t = table({over_udp, other_port, over_ip, other_peer}, {});

    Path path = path_from_b();
    CHECK(raw(t->by_path(Encapsulation::udp, path)->index) == 0);
    path.remote.port = 5000;
    CHECK(raw(t->by_path(Encapsulation::udp, path)->index) == 1);
    path.remote.port = 1234;
    CHECK(t->by_path(Encapsulation::udp, path) == nullptr);
    path.remote.port = 0;
    CHECK(raw(t->by_path(Encapsulation::ip, path)->index) == 2);
    path.remote = {ip("192.0.2.3"), 60000};
    CHECK(raw(t->by_path(Encapsulation::udp, path)->index) == 3);
    path.local.address = ip("192.0.2.9");
    CHECK(t->by_path(Encapsulation::udp, path) == nullptr);
}

TEST_CASE("what a worker remembers of a session outlives tables that keep the session, and no others") {
    SessionStates<int> states;
    const auto one = tunnel_entry(Encapsulation::udp, 0);
    const auto two = tunnel_entry(Encapsulation::udp, 1);
    states.adopt(*table({one}, {session_entry(0), session_entry(5)}));
    states[SessionIndex{0}] = 10;
    states[SessionIndex{5}] = 15;

    auto cookie_changed = session_entry(0);
    cookie_changed.options.local_cookie = cookie("01020304");
    states.adopt(*table({one}, {session_entry(2), cookie_changed, session_entry(5)}));
    CHECK(states[SessionIndex{0}] == 10);
    CHECK(states[SessionIndex{2}] == 0);
    CHECK(states[SessionIndex{5}] == 15);

    auto reborn = session_entry(0);
    reborn.incarnation = 1;
    states.adopt(*table({one, two}, {reborn, session_entry(5, 1)}));
    CHECK(states[SessionIndex{0}] == 0);
    CHECK(states[SessionIndex{5}] == 0);
}
