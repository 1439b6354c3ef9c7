#include "tests/tunnel/stages.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

TEST_CASE("a session that demands sequence numbers drops unsequenced and out-of-order packets apart") {
    Receiver a(table({tunnel_entry()}, {sequenced()}));
    const auto message = [](std::uint32_t word) {
        ByteWriter w;
        w.u32(0x0003'0000).u32(0xa1b2c3d4).u32(word).bytes(frame());
        return copy(w.view());
    };
    CHECK(a.fate(message(0x4000'0000)) == DropReason::none);
    CHECK(a.fate(message(0x0000'0001)) == DropReason::l2tp_sequence_missing);
    CHECK(a.fate(message(0x4000'0001)) == DropReason::none);
    CHECK(a.fate(message(0x4000'0001)) == DropReason::l2tp_out_of_sequence);
    CHECK(a.fate(message(0x4000'0005)) == DropReason::l2tp_out_of_sequence);
    CHECK(a.fate(message(0x4000'0002)) == DropReason::none);
}

TEST_CASE("a packet with a wrong cookie does not move the expected sequence number") {
    auto s = sequenced();
    s.options.local_cookie = cookie("01020304");
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(hex("00030000 a1b2c3d4 01020304 40000000") + frame()) == DropReason::none);
    CHECK(a.fate(hex("00030000 a1b2c3d4 01020305 40000001") + frame()) == DropReason::l2tp_bad_cookie);
    CHECK(a.fate(hex("00030000 a1b2c3d4 01020304 40000001") + frame()) == DropReason::none);
}

TEST_CASE("sequence numbers of a session go on across a reload that keeps it, both ways") {
    Sender a(table({tunnel_entry()}, {sequenced()}));
    static_cast<void>(a.sent(0, frame()));
    auto changed = sequenced();
    changed.max_frame = 1514;
    a.stage.set_sessions(table({tunnel_entry()}, {changed, session_entry(1)}));
    const Octets second = a.sent(0, frame());
    CHECK(load_be32(second.data() + 8) == 0x4000'0001);

    Receiver b(table({tunnel_entry()}, {sequenced()}));
    CHECK(b.fate(hex("00030000 a1b2c3d4 40000000") + frame()) == DropReason::none);
    b.stage.set_sessions(table({tunnel_entry()}, {changed}));
    CHECK(b.fate(hex("00030000 a1b2c3d4 40000005") + frame()) == DropReason::l2tp_out_of_sequence);
    CHECK(b.fate(hex("00030000 a1b2c3d4 40000001") + frame()) == DropReason::none);

    auto reborn = changed;
    reborn.incarnation = 1;
    a.stage.set_sessions(table({tunnel_entry()}, {reborn}));
    CHECK(load_be32(a.sent(0, frame()).data() + 8) == 0x4000'0000);
}

TEST_CASE(
    "while Session IDs are being changed a session receives with both, each under either cookie of its own") {
    SessionEntry s = with_cookies();
    s.other_local_id = SessionId{0xb1b2b3b4};
    s.other_local_cookie = cookie("e1e2e3e4e5e6e7e8");
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(kGood) == DropReason::none);
    CHECK(a.fate(hex("00030000 b1b2b3b4 e1e2e3e4e5e6e7e8") + frame()) == DropReason::none);
    CHECK(a.last_session == s.index);
    CHECK(a.fate(hex("00030000 b1b2b3b4 0000000000000000") + frame()) == DropReason::l2tp_bad_cookie);
    CHECK(a.fate(hex("00030000 b1b2b3b5 e1e2e3e4e5e6e7e8") + frame()) == DropReason::l2tp_unknown_session);
}

TEST_CASE("while Session IDs are being changed each has sequence numbers of its own, whichever comes first") {
    const auto message = [](std::uint32_t id, std::uint32_t number) {
        ByteWriter w;
        w.u32(0x0003'0000).u32(id).u32(0x4000'0000 | number).bytes(frame());
        return copy(w.view());
    };
    constexpr std::uint32_t kOld = 0xa1b2c3d4;
    constexpr std::uint32_t kNew = 0xb1b2b3b4;
    SessionEntry s = sequenced();
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kOld, 100)) == DropReason::none);
    // The new session beside the old one, in its place, and alone.
    s.other_local_id = SessionId{kNew};
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kNew, 0)) == DropReason::none);
    CHECK(a.fate(message(kOld, 101)) == DropReason::none);
    std::swap(s.options.local_id, *s.other_local_id);
    s.options.remote_id = SessionId{0xc1c2c3c4};
    s.incarnation = 1;
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kOld, 102)) == DropReason::none);
    CHECK(a.fate(message(kNew, 1)) == DropReason::none);
    CHECK(a.fate(message(kOld, 102)) == DropReason::l2tp_out_of_sequence);
    CHECK(a.fate(message(kNew, 1)) == DropReason::l2tp_out_of_sequence);
    s.other_local_id.reset();
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kNew, 2)) == DropReason::none);
    CHECK(a.fate(message(kOld, 103)) == DropReason::l2tp_unknown_session);
    // Set up anew under the same id they start again.
    s.incarnation = 2;
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kNew, 0)) == DropReason::none);
}
