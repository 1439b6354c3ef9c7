// Two gateways whose ends of a session are not alike: VLANs that each numbers as it likes, or that one end has not.
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "stp-guard/guard_message.h"
#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

GuardPort session_of(const std::string& vlans, bool untagged = false) {
    GuardPort out = port(kTunnel, PortKind::tunnel, "far", vlans);
    out.untagged = untagged;
    return out;
}

/// access_vlan of an Ethernet pseudowire, or of one of type Ethernet VLAN.
GuardPort access_session(const std::string& vlan, bool tagged = false) {
    GuardPort out = session_of(vlan);
    out.renumbers = true;
    out.message_tag = static_cast<std::uint16_t>(std::stoi(vlan));
    if (tagged) out.wire_vid = *out.message_tag;
    return out;
}

GuardPort untagged_session() {
    GuardPort out = session_of("1", true);
    out.vlans = VlanSet();
    return out;
}

struct Side {
    Side(std::uint32_t number, const GuardPort& session)
        : rng(number),
          engine({DomainId{1}, SiteId{number}, NodeId{number}}, GuardOptions{}, authenticator, rng),
          vid(session.untagged ? std::uint16_t{0} : first_of(session.vlans)) {
        GuardPort lan = port(kLan, PortKind::lan, "ens5");
        lan.vlans = session.vlans;
        lan.untagged = session.untagged;
        engine.on_port(lan, kStart);
        engine.on_port(session, kStart);
        engine.on_link(kLan, true, kStart);
        engine.on_lan_frame(kLan, kStart);
        engine.on_link(kTunnel, true, kStart);
    }
    static std::uint16_t first_of(const VlanSet& vlans) {
        std::uint16_t vid = 1;
        while (!vlans.contains_vid(vid)) ++vid;
        return vid;
    }
    [[nodiscard]] VlanState state(std::uint16_t of) const { return engine.vlan_state({kTunnel, of}); }
    [[nodiscard]] bool open() const { return state(vid) == VlanState::open; }

    ToyAuthenticator authenticator;
    SeededRng rng;
    GuardEngine engine;
    std::uint16_t vid;  ///< its number for the VLAN that joins the two
    std::vector<GuardEvent> events;
    std::size_t probes = 0;
    std::size_t entries = 0;  ///< in its messages
};

/// A tunnel that delivers after a millisecond, and a cable that may join the LANs, in the VLAN that either numbers as it likes.
struct TwoSides {
    TwoSides(const GuardPort& a, const GuardPort& b)
        : sides{std::make_unique<Side>(1, a), std::make_unique<Side>(2, b)} {}

    Side& a() { return *sides[0]; }
    Side& b() { return *sides[1]; }
    void run(Duration duration) {
        for (const TimePoint end = now + duration; now < end; now += 1ms) {
            std::deque<Frame> due = std::move(under_way);
            under_way.clear();
            for (const Frame& frame : due) arrive(frame);
            for (std::size_t i = 0; i < sides.size(); ++i) {
                GuardEngine& engine = sides[i]->engine;
                if (const auto at = engine.next_timeout(); at && *at <= now) engine.on_timeout(now);
                drain(i);
            }
            const bool looped = cable && a().open() && b().open();
            if (looped) loop_lasted += 1ms;
        }
    }
    [[nodiscard]] std::size_t count(GuardEventId id) const {
        std::size_t n = 0;
        for (const auto& side : sides)
            for (const GuardEvent& event : side->events)
                n += event.id == id ? std::size_t{1} : std::size_t{0};
        return n;
    }

    struct Frame {
        std::size_t to = 0;
        PortId port{};
        std::vector<std::uint8_t> bytes;
        std::uint16_t vid = 0;
        int hops = 0;
    };
    void drain(std::size_t from) {
        Side& side = *sides[from];
        const std::size_t other = 1 - from;
        while (auto action = side.engine.poll_action()) {
            if (auto* message = std::get_if<SendPeer>(&*action)) {
                if (const auto read = parse_guard_message(message->frame))
                    side.entries += read->message.vlans.size();
                under_way.push_back({other, kTunnel, std::move(message->frame), sides[other]->vid});
            }
            if (auto* event = std::get_if<GuardEvent>(&*action)) side.events.push_back(*event);
            if (auto* probe = std::get_if<SendProbe>(&*action)) send(from, *probe);
        }
    }
    void send(std::size_t from, SendProbe& probe) {
        Side& side = *sides[from];
        ++side.probes;
        const bool joined = probe.place.vid == side.vid;
        if (joined && (probe.place.port == kTunnel || cable))
            under_way.push_back({1 - from, probe.place.port, std::move(probe.frame), sides[1 - from]->vid});
    }
    void arrive(const Frame& frame) {
        Side& side = *sides[frame.to];
        side.engine.on_guard_frame(frame.port, frame.vid, frame.bytes, now);
        drain(frame.to);
        const auto view = peek_guard_frame(frame.bytes);
        const bool ends = !view || view->header.type == GuardFrameType::message ||
                          raw(view->header.sender.node) == frame.to + 1;
        if (ends || !side.open() || frame.hops > 8) return;
        const PortId out = frame.port == kTunnel ? kLan : kTunnel;
        if (out == kLan && !cable) return;
        under_way.push_back({1 - frame.to, out, frame.bytes, sides[1 - frame.to]->vid, frame.hops + 1});
    }

    std::array<std::unique_ptr<Side>, 2> sides;
    std::deque<Frame> under_way;
    TimePoint now = kStart;
    bool cable = false;
    Duration loop_lasted{};
};

struct Numbers {
    std::string what;
    GuardPort a;
    GuardPort b;
};
std::vector<Numbers> all_numbers() {
    return {{"one VLAN at both ends", access_session("110"), access_session("220")},
            {"one VLAN at both ends, tagged on the wire", access_session("110", true),
             access_session("220", true)},
            {"one VLAN, and untagged frames", access_session("110"), untagged_session()},
            {"the same number at both ends", session_of("110"), session_of("110")}};
}

}  // namespace

TEST_CASE("a VLAN opens and is told of as no leak, whatever its number at either end of a session is") {
    for (const Numbers& numbers : all_numbers()) {
        INFO(numbers.what);
        TwoSides net(numbers.a, numbers.b);
        net.run(8s);
        CHECK(net.a().open());
        CHECK(net.b().open());
        CHECK(net.count(GuardEventId::peer_with_guard) == 2);
        CHECK(net.count(GuardEventId::vlan_leak) == 0);
        CHECK(net.count(GuardEventId::vlan_not_at_peer) == 0);
    }
}

TEST_CASE("a second way between VLANs of two numbers is found before they open") {
    for (const Numbers& numbers : all_numbers()) {
        INFO(numbers.what);
        TwoSides net(numbers.a, numbers.b);
        net.cable = true;
        net.run(30s);
        CHECK(net.loop_lasted == 0ms);
        CHECK(net.count(GuardEventId::vlan_leak) == 0);
        net.cable = false;
        net.run(60s);
        CHECK(net.a().open());
        CHECK(net.b().open());
    }
}

TEST_CASE("a second way between VLANs of two numbers that comes later is blocked at one end") {
    for (const Numbers& numbers : all_numbers()) {
        INFO(numbers.what);
        TwoSides net(numbers.a, numbers.b);
        net.run(8s);
        REQUIRE((net.a().open() && net.b().open()));
        net.cable = true;
        net.run(20s);
        CHECK(net.loop_lasted < 3s);
        CHECK_MESSAGE(net.a().open() != net.b().open(), "one end and not both");
        CHECK(net.count(GuardEventId::blocked) == 1);
        CHECK(net.count(GuardEventId::vlan_leak) == 0);
    }
}

TEST_CASE("a VLAN that the peer does not carry is told once, and costs neither probes nor words afterwards") {
    TwoSides net(session_of("110,120-199"), session_of("110"));
    net.run(10s);
    CHECK(net.a().open());
    CHECK(net.b().open());
    CHECK(net.a().state(120) == VlanState::closed);
    CHECK(net.count(GuardEventId::vlan_not_at_peer) == 80);
    const GuardStatus status = net.a().engine.status(net.now);
    CHECK(status.vlans.empty());
    REQUIRE(status.not_at_peer.size() == 1);
    CHECK(status.not_at_peer[0].vlans.text() == "120-199");

    const std::size_t probes = net.a().probes;
    const std::size_t entries = net.a().entries + net.b().entries;
    net.run(10s);
    CHECK(net.a().entries + net.b().entries == entries);
    CHECK_MESSAGE(net.a().probes - probes < 2'500, "steady rounds only, at most 200 a second");
    CHECK(net.count(GuardEventId::vlan_not_at_peer) == 80);

    // The peer gets it too.
    net.b().engine.on_port(session_of("110,120"), net.now);
    GuardPort lan = port(kLan, PortKind::lan, "ens5", "110,120");
    net.b().engine.on_port(lan, net.now);
    net.run(8s);
    CHECK(net.a().state(120) == VlanState::open);
    CHECK(net.b().state(120) == VlanState::open);
    CHECK(net.a().state(121) == VlanState::closed);
}

TEST_CASE("a VLAN that a peer without a guard may carry or not opens after clean rounds") {
    TwoSides net(session_of("110,120"), session_of("110"));
    net.run(10s);
    REQUIRE(net.a().state(120) == VlanState::closed);
    net.b().engine.on_link(kTunnel, false, net.now);  // it speaks no more
    net.run(45s);
    CHECK(net.a().state(120) == VlanState::open);
}

TEST_CASE("roots of more spanning trees than a message has room for are told one after the other") {
    constexpr std::uint16_t kTrees = 50;
    TwoSides net(session_of("100-199"), session_of("100-199"));
    net.run(8s);
    const auto hello = [&](Side& side, std::uint16_t vid) {
        BpduFrame frame = bpdu();
        frame.pvst = true;
        frame.vid = vid;
        frame.bpdu.root.priority_and_extension = static_cast<std::uint16_t>(0x8000 | vid);
        side.engine.on_bpdu(kLan, frame, net.now);
    };
    for (std::uint16_t vid = 100; vid < 100 + kTrees; ++vid) {
        hello(net.a(), vid);
        hello(net.b(), vid);
    }
    net.run(6s);
    CHECK(net.count(GuardEventId::backdoor_suspected) == 2 * kTrees);
}

TEST_CASE(
    "a gateway forwards a VLAN whose session is down at its sibling, though others of the sibling's are up") {
    constexpr PortId kOtherTunnel{4};
    Gateway gateway;
    gateway.engine.on_port(port(kLan, PortKind::lan, "ens5", "111,121"), gateway.now);
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2", "111,121"), gateway.now);
    GuardEngine sibling({DomainId{1}, SiteId{1}, NodeId{2}}, GuardOptions{}, gateway.authenticator,
                        gateway.rng);
    sibling.on_port(port(kLan, PortKind::lan, "ens5", "111,121"), kStart);
    sibling.on_port(port(kTunnel, PortKind::tunnel, "a", "111"), kStart);
    sibling.on_port(port(kOtherTunnel, PortKind::tunnel, "b", "121"), kStart);
    for (GuardEngine* engine : {&gateway.engine, &sibling}) {
        engine->on_link(kLan, true, kStart);
        engine->on_lan_frame(kLan, kStart);
    }
    gateway.engine.on_link(kTunnel, true, kStart);
    sibling.on_link(kOtherTunnel, true, kStart);
    for (int i = 0; i < 200; ++i) {
        gateway.run(100ms);
        if (const auto at = sibling.next_timeout(); at && *at <= gateway.now) sibling.on_timeout(gateway.now);
        while (auto action = sibling.poll_action()) {
            const auto* probe = std::get_if<SendProbe>(&*action);
            if (probe != nullptr && probe->place.port == kLan)
                gateway.engine.on_guard_frame(kLan, probe->place.vid, probe->frame, gateway.now);
        }
    }
    gateway.collect();
    CHECK(gateway.engine.vlan_state({kTunnel, 111}) == VlanState::open);
    CHECK_MESSAGE(gateway.engine.vlan_state({kTunnel, 121}) == VlanState::suspended, "the sibling's");
}
