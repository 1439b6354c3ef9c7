#include "stp-guard/guard_message.h"

#include <doctest/doctest.h>

#include "stp-guard/frame_class.h"
#include "stp-guard/loop_probe.h"
#include "tests/stp-guard/toy_authenticator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;

namespace {

GuardMessage example() {
    GuardMessage message;
    message.sender = {DomainId{1}, SiteId{2}, NodeId{3}};
    message.boot_nonce = 4;
    message.nonce_echo = 5;
    message.seq = 6;
    message.tunnel_count = 2;
    message.flags = 0x8000;
    message.port = PortId{9};
    message.vlans = {
        {110, VlanState::bum_blocked, Cause::backdoor, VlanEntry::kBlocks | VlanEntry::kListening, 30},
        {4094, VlanState::open, Cause::none, VlanEntry::kProven, 0}};
    message.shapes = {{NodeId{3}, 17}, {NodeId{8}, 0xffff'ffff}};
    message.topology_changes = {0, 110};
    message.roots = {{0, {0x8000, MacAddress{{0, 1, 2, 3, 4, 5}}}}};
    return message;
}

std::vector<std::uint8_t> frame_of(const GuardMessage& message) {
    return emit(message, guard_source(message.sender.node, message.port), ToyAuthenticator{});
}

}  // namespace

TEST_CASE("a message read is the message written") {
    const auto frame = frame_of(example());
    const auto received = parse_guard_message(frame);
    REQUIRE(received);
    CHECK(received->message == example());
    CHECK(is_authentic(received->sealed, received->mac, ToyAuthenticator{}));
    CHECK_FALSE(is_authentic(received->sealed, received->mac, ToyAuthenticator{2}));
    CHECK_FALSE_MESSAGE(parse_loop_probe(frame), "nor is it a probe");
}

TEST_CASE("a message says the same under a tag") {
    for (const auto vid : std::initializer_list<std::uint16_t>{0, 1, 4094}) {
        auto frame = frame_of(example());
        const std::size_t size = frame.size();
        tag_guard_frame(frame, vid);
        CHECK(frame.size() == size + 4);
        CHECK(load_be16(frame.data() + 12) == 0x8100);
        CHECK(load_be16(frame.data() + 14) == (6 << 13 | vid));
        CHECK(load_be16(frame.data() + 16) == kEtherTypeGuard);
        CHECK(classify(frame).protocol == FrameProtocol::guard_message);
        const auto received = parse_guard_message(frame);
        REQUIRE(received);
        CHECK(received->message == example());
        CHECK(is_authentic(received->sealed, received->mac, ToyAuthenticator{}));
    }
}

TEST_CASE("no truncation of a message is authentic") {
    const auto frame = frame_of(example());
    for (std::size_t size = 0; size < frame.size(); ++size) {
        const auto received = parse_guard_message(Bytes(frame).first(size));
        if (received)
            CHECK_FALSE_MESSAGE(is_authentic(received->sealed, received->mac, ToyAuthenticator{}), size);
    }
}

TEST_CASE("parts that this version does not know are skipped; broken ones are refused by name") {
    const auto with_part = [](std::uint16_t type, std::uint16_t length, std::size_t bytes) {
        GuardMessage message = example();
        message.vlans.clear();
        message.shapes.clear();
        message.topology_changes.clear();
        message.roots.clear();
        auto frame = frame_of(message);
        ByteWriter out;
        out.bytes(Bytes(frame).first(frame.size() - kGuardMacSize))
            .u16(type)
            .u16(length)
            .zeros(bytes)
            .zeros(kGuardMacSize);
        return std::move(out).take();
    };
    CHECK(parse_guard_message(with_part(99, 5, 5)));
    CHECK(parse_guard_message(with_part(99, 6, 5)).error() == MessageError::bad_part);
    CHECK(parse_guard_message(with_part(1, 7, 7)).error() == MessageError::bad_part);
    CHECK(parse_guard_message(with_part(2, 11, 11)).error() == MessageError::bad_part);
    CHECK(parse_guard_message(with_part(3, 1, 1)).error() == MessageError::bad_part);
    CHECK(parse_guard_message(with_part(4, 9, 9)).error() == MessageError::bad_part);

    GuardMessage bad = example();
    bad.vlans[0].vid = 4095;
    CHECK(parse_guard_message(frame_of(bad)).error() == MessageError::bad_vlan_entry);
    bad = example();
    bad.vlans[0].state = static_cast<VlanState>(4);
    CHECK(parse_guard_message(frame_of(bad)).error() == MessageError::bad_vlan_entry);
    bad = example();
    bad.vlans[0].cause = static_cast<Cause>(kLastCause + 1);
    CHECK(parse_guard_message(frame_of(bad)).error() == MessageError::bad_vlan_entry);
    bad = example();
    bad.topology_changes[0] = 4096;
    CHECK(parse_guard_message(frame_of(bad)).error() == MessageError::bad_vlan_entry);
    CHECK(parse_guard_message({}).error() == MessageError::not_a_message);
}

TEST_CASE("a full message fits any path, and bridges without a guard keep it to themselves") {
    GuardMessage message = example();
    message.vlans.assign(kMaxVlansPerMessage, message.vlans[0]);
    message.shapes.assign(kMaxShapesPerMessage, message.shapes[0]);
    message.roots.assign(16, message.roots[0]);
    message.topology_changes.assign(kMaxVlansPerMessage, 110);
    const auto frame = frame_of(message);
    CHECK(frame.size() <= 1'200);
    CHECK(parse_guard_message(frame)->message == message);
    CHECK(classify(frame).protocol == FrameProtocol::guard_message);
    CHECK(kGuardMessageDestination.bytes[5] == 0x0e);  // of IEEE 802.1Q table 8-1: no bridge forwards it
}
