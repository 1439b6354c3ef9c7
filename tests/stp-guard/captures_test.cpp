// Frames of real switches and hosts, and hostile ones.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>

#include "base/ethernet.h"
#include "stp-guard/frame_class.h"
#include "tests/support/pcap_file.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;

namespace {

constexpr std::uint32_t kEthernet = 1;
using Counts = std::map<LinkLocalKind, std::size_t>;

std::filesystem::path vectors() {
    return ISTHMUS_TEST_VECTORS;
}

Counts kinds_in(const std::string& file) {
    const auto capture = read_pcap((vectors() / file).string());
    REQUIRE_MESSAGE(capture, file);
    Counts counts;
    for (const CapturedPacket& packet : capture->packets) ++counts[classify(packet.bytes).link_local];
    return counts;
}

/// Of all Ethernet captures below a folder.
std::vector<Capture> captures_in(const std::string& folder) {
    std::vector<Capture> captures;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(vectors() / folder)) {
        if (entry.path().extension() != ".pcap") continue;
        auto capture = read_pcap(entry.path().string(), true);
        if (capture && capture->link_type == kEthernet) captures.push_back(std::move(capture).value());
    }
    return captures;
}

}  // namespace

TEST_CASE("captures of switches are all link-local, each frame of its kind") {
    using enum LinkLocalKind;
    CHECK(kinds_in("pcap-tcpdump/valid/802.1D_spanning_tree.pcap") == Counts{{stp_config, 14}});
    CHECK(kinds_in("pcap-tcpdump/valid/802.1w_rapid_STP.pcap") == Counts{{rstp, 30}});
    CHECK(kinds_in("pcap-tcpdump/valid/MSTP_Intra-Region_BPDUs.pcap") == Counts{{mstp, 10}});
    CHECK(kinds_in("pcap-tcpdump/valid/3560_CDP.pcap") == Counts{{cdp, 3}});
    CHECK(kinds_in("pcap-tcpdump/valid/DTP.pcap") == Counts{{dtp, 5}, {cisco_other, 5}});
    CHECK(kinds_in("pcap-tcpdump/valid/UDLD.pcap") == Counts{{udld, 29}});
    CHECK(kinds_in("pcap-tcpdump/valid/LACP.pcap") == Counts{{lacp, 20}});
    CHECK(kinds_in("pcap-tcpdump/valid/slow-ossp.pcap") == Counts{{slow_other, 1}});
    CHECK(kinds_in("pcap-tcpdump/valid/LLDP_and_CDP.pcap") == Counts{{lldp, 8}, {cdp, 4}});
    CHECK(kinds_in("pcap-tcpdump/valid/lldp-app-priority.pcap") == Counts{{lldp, 1}});
    CHECK(kinds_in("pcap-tcpdump/valid/lldp_8021_linkagg.pcap") == Counts{{lldp, 2}});
    CHECK(kinds_in("pcap-packetnet/valid/lldp.pcap") == Counts{{lldp, 1}});
}

TEST_CASE("captures of hosts are left alone, whatever they carry") {
    using enum LinkLocalKind;
    for (const std::string file :
         {"pcap-tcpdump/valid/802.1ad_QinQ.pcap", "pcap-tcpdump/valid/HSRP_coup.pcap",
          "pcap-tcpdump/valid/vrrp.pcap", "pcap-tcpdump/valid/IGMP_V1.pcap", "pcap-tcpdump/valid/pppoe.pcap",
          "pcap-tcpdump/valid/icmpv6.pcap", "pcap-tcpdump/valid/macsec-encrypted.pcap",
          "pcap-packetnet/valid/802.1ad_vlan_ipv4.pcap", "pcap-packetnet/valid/802.1q_vlan_ipv4_tcp.pcap",
          "pcap-packetnet/valid/wol.pcap", "pcap-packetnet/valid/PPPoEPPP.pcap",
          "pcap-suricata-verify/valid/decode-arp-1.pcap", "pcap-suricata-verify/valid/detect-vlan-id.pcap",
          "pcap-suricata-verify/valid/decode-etag-01.pcap",
          "pcap-suricata-verify/valid/decode-vntag-01.pcap"}) {
        const Counts counts = kinds_in(file);
        CHECK_MESSAGE(counts.size() == 1, file);
        CHECK_MESSAGE(counts.contains(none), file);
    }
    const Counts mixed = kinds_in("pcap-tcpdump/valid/eapon1.pcap");
    CHECK(mixed.at(eapol) > 0);
    CHECK(mixed.at(none) > 0);
    CHECK(mixed.size() == 2);
}

TEST_CASE("the outermost tag of real stacked frames is found") {
    const auto vid_of = [](const std::string& file) {
        const auto capture = read_pcap((vectors() / file).string());
        REQUIRE(capture);
        return classify(capture->packets.at(0).bytes).vid;
    };
    CHECK(vid_of("pcap-tcpdump/valid/802.1ad_QinQ.pcap") == 200);
    CHECK(vid_of("pcap-packetnet/valid/802.1ad_vlan_ipv4.pcap") == 30);
    CHECK(vid_of("pcap-packetnet/valid/802.1q_vlan_ipv4_tcp.pcap") == 102);
}

TEST_CASE("every frame of every capture, cut at every byte, is judged and stays in its bounds") {
    std::size_t frames = 0;
    for (const char* folder : {"pcap-tcpdump", "pcap-packetnet", "pcap-suricata-verify"}) {
        for (const Capture& capture : captures_in(folder)) {
            for (const CapturedPacket& packet : capture.packets) {
                // Nothing further in is looked at.
                const std::size_t limit = std::min<std::size_t>(packet.bytes.size(), 64);
                for (std::size_t size = 0; size <= limit; ++size) {
                    // A copy of its own, so that a sanitizer sees one byte too many.
                    const std::vector<std::uint8_t> cut(
                        packet.bytes.begin(), packet.bytes.begin() + static_cast<std::ptrdiff_t>(size));
                    const FrameClass frame = classify(cut);
                    CHECK(frame.malformed == !EthernetView::parse(cut).has_value());
                }
                ++frames;
            }
        }
    }
    CHECK(frames > 2'500);
}
