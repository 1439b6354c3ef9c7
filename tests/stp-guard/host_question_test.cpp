#include "stp-guard/host_question.h"

#include <doctest/doctest.h>

#include "base/checksum.h"
#include "stp-guard/frame_class.h"
#include "tests/stp-guard/frames.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;

namespace {

constexpr MacAddress kOurs{{0x02, 0x4c, 0x47, 0x01, 0x02, 0x03}};
const Octets kPing = hex("0800 45000054 00000000 4001 0000 c0000201 c0000202");
const Octets kPing6 =
    hex("86dd 60000000 0000 3a40 20010db8000000000000000000000001 20010db80000000000000000000a0b0c");
const Octets kAsked = hex("0806 0001 0800 0604 0001 02005e100101 c0000201 000000000000 c0000203");

std::string address_of(const Octets& frame) {
    const auto who = addressee_of(frame);
    return who && who->address ? who->address->text() : "";
}

}  // namespace

TEST_CASE("a frame is for the IP destination that it names, or for whom its ARP asks") {
    CHECK(address_of(frame_to(kHost, kPing)) == "192.0.2.2");
    CHECK(address_of(frame_to(kHost, kPing6)) == "2001:db8::a:b0c");
    CHECK(address_of(frame_to(kHost, kAsked)) == "192.0.2.3");
    CHECK(address_of(frame_to(kHost, kPing, {{0x88a8, 20}, {0x8100, 10}})) == "192.0.2.2");
    CHECK(addressee_of(frame_to(kHost, kPing))->text() == "02:00:5e:10:00:01 (192.0.2.2)");
    CHECK(addressee_of(frame_to(kHost, hex("88b5 00")))->text() == "02:00:5e:10:00:01");
}

TEST_CASE("addresses that no host has are not asked for") {
    for (const std::string_view destination : {"e0000001", "ffffffff", "00000000", "7f000001"})
        CHECK(address_of(frame_to(kHost, hex("0800 45000054 00000000 4001 0000 c0000201 " +
                                             std::string(destination)))) == "");
    for (const std::string_view destination :
         {"ff020000000000000000000000000001", "00000000000000000000000000000000"})
        CHECK(address_of(frame_to(kHost, hex("86dd 60000000 0000 3a40 20010db8000000000000000000000001 " +
                                             std::string(destination)))) == "");
    CHECK(address_of(frame_to(kHost, hex("0800 65000054 00000000 4001 0000 c0000201 c0000202"))) == "");
    CHECK(address_of(frame_to(
              kHost, hex("0806 0006 0800 0604 0001 02005e100101 c0000201 000000000000 c0000203"))) == "");
    CHECK_FALSE(addressee_of(frame_to(kBroadcast, kPing)));
}

TEST_CASE("a frame that is cut names its host as far as it goes, at every byte") {
    for (const Octets* inside : {&kPing, &kPing6, &kAsked}) {
        const Octets whole = frame_to(kHost, *inside, {{0x8100, 10}});
        const std::size_t end = 16 + inside->size();
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            const auto who = addressee_of(Bytes(whole).first(size));
            CHECK(who.has_value() == (size >= 18));
            if (who) CHECK(who->address.has_value() == (size >= end));
        }
    }
}

TEST_CASE("IPv4 hosts are asked by an ARP probe, in the frame's VLAN") {
    const auto who = addressee_of(frame_to(kHost, kPing, {{0x8100, 10}})).value();
    Octets expected =
        hex("ffffffffffff 024c47010203 8100000a 0806 0001 0800 0604 0001 024c47010203 00000000 "
            "000000000000 c0000202");
    expected.resize(60);
    CHECK(question_for(who, kOurs, kOurs) == expected);
    const auto untagged = question_for(addressee_of(frame_to(kHost, kPing)).value(), kOurs, kOurs);
    CHECK(untagged.size() == 60);
    CHECK(classify(untagged).protocol == FrameProtocol::arp);
    CHECK(classify(untagged).vid == 0);
}

TEST_CASE("IPv6 hosts are asked by a neighbour solicitation with a good checksum, through every tag") {
    const auto who = addressee_of(frame_to(kHost, kPing6, {{0x88a8, 20}, {0x8100, 10}})).value();
    const Octets question = question_for(who, kOurs, kOurs);
    const Octets expected =
        hex("3333ff0a0b0c 024c47010203 88a80014 8100000a 86dd 60000000 0020 3a ff "
            "fe80000000000000004c47fffe010203 ff0200000000000000000001ff0a0b0c");
    REQUIRE(question.size() == expected.size() + 32);
    CHECK(Octets(question.begin(), question.begin() + static_cast<std::ptrdiff_t>(expected.size())) ==
          expected);
    const Bytes icmp = Bytes(question).last(32);
    CHECK(to_hex(icmp.first(2)) == "8700");
    CHECK(to_hex(icmp.subspan(4)) == "0000000020010db80000000000000000000a0b0c0101024c47010203");
    const Bytes packet = Bytes(question).subspan(22);
    CHECK(internet_checksum(icmp, pseudo_header_sum(packet.subspan(8, 16), packet.subspan(24, 16), 58, 32)) ==
          0);
    CHECK(classify(question).protocol == FrameProtocol::neighbor_solicitation);
}
