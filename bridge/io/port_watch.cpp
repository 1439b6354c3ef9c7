#include "bridge/io/port_watch.h"

#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <pcap/pcap.h>
#include <sys/socket.h>

#include <array>
#include <utility>

namespace isthmus::bridge {

namespace {

constexpr int kSnapLength = 512;  // the longest BPDU, with 64 instances, is cut; what is looked at is not
constexpr int kBuffer = 512 * 1024;

/// By address where that is enough, for tags move everything behind the addresses. `vlan` moves it for all that follows, so it comes
/// last. Addresses: IEEE 802.1Q table 8-1 and 10-1, Cisco's; hellos of HSRP, VRRP, GLBP by their groups' MAC addresses.
constexpr const char* kFilter =
    "ether dst 03:4c:32:42:47:01 or (ether[0:4] = 0x0180c200 and ether[4] = 0 and (ether[5] < 16 or ether[5] "
    "& 0xf0 = 32))"
    " or ether dst 01:00:0c:cc:cc:cc or ether dst 01:00:0c:cc:cc:cd"
    " or ether dst 01:00:5e:00:00:12 or ether dst 01:00:5e:00:00:66 or ether dst 33:33:00:00:00:12"
    " or ether dst 33:33:00:00:00:66"
    " or ether proto 0x88b5 or (udp and dst port 1985 and ether[0] & 1 = 1)"
    " or (vlan and (ether proto 0x88b5 or (udp and dst port 1985 and ether[0] & 1 = 1)))"
    " or (vlan and ether proto 0x88b5)";

}  // namespace

struct PortWatch::Handle {
    struct Close {
        void operator()(pcap_t* p) const noexcept { pcap_close(p); }
    };
    std::unique_ptr<pcap_t, Close> pcap;

    [[nodiscard]] std::string error(const std::string& doing) const {
        return doing + ": " + pcap_geterr(pcap.get());
    }
};

PortWatch::PortWatch(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
PortWatch::PortWatch(PortWatch&&) noexcept = default;
PortWatch& PortWatch::operator=(PortWatch&&) noexcept = default;
PortWatch::~PortWatch() = default;

const char* PortWatch::filter() noexcept {
    return kFilter;
}

Result<PortWatch, std::string> PortWatch::open(const std::string& interface) {
    const std::string doing = "cannot watch " + interface;
    std::array<char, PCAP_ERRBUF_SIZE> words{};
    auto handle = std::make_unique<Handle>();
    handle->pcap.reset(pcap_create(interface.c_str(), words.data()));
    if (!handle->pcap) return Unexpected(doing + ": " + words.data());
    pcap_t* const pcap = handle->pcap.get();
    // A port of a bridge hears everything already. Without immediate mode a probe would wait for others.
    if (pcap_set_snaplen(pcap, kSnapLength) != 0 || pcap_set_immediate_mode(pcap, 1) != 0 ||
        pcap_set_buffer_size(pcap, kBuffer) != 0)
        return Unexpected(handle->error(doing));
    if (pcap_activate(pcap) < 0) return Unexpected(handle->error(doing));
    if (pcap_datalink(pcap) != DLT_EN10MB) return Unexpected(doing + ": it is no Ethernet interface");
    bpf_program program{};
    if (pcap_compile(pcap, &program, kFilter, 1, PCAP_NETMASK_UNKNOWN) != 0)
        return Unexpected(handle->error(doing));
    const int installed = pcap_setfilter(pcap, &program);
    pcap_freecode(&program);
    if (installed != 0 || pcap_setdirection(pcap, PCAP_D_IN) != 0 ||
        pcap_setnonblock(pcap, 1, words.data()) != 0)
        return Unexpected(handle->error(doing));
    // Or every frame that leaves the port would be cloned for the filter and then thrown away: its receiver has to copy it to write into
    // it. Since Linux 4.20; without it all works as well, only slower.
    const int ignored = 1;
    (void)::setsockopt(pcap_fileno(pcap), SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignored, sizeof(ignored));
    // Probes leave before the storm whose cause they look for, where the interface has queues.
    const int priority = TC_PRIO_CONTROL;
    (void)::setsockopt(pcap_fileno(pcap), SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
    return PortWatch(std::move(handle));
}

int PortWatch::fd() const noexcept {
    return pcap_get_selectable_fd(handle_->pcap.get());
}

Result<std::size_t, std::string> PortWatch::read(std::size_t most,
                                                 const std::function<void(Bytes frame)>& each) {
    std::size_t count = 0;
    while (count < most) {
        pcap_pkthdr* header = nullptr;
        const u_char* bytes = nullptr;
        const int got = pcap_next_ex(handle_->pcap.get(), &header, &bytes);
        if (got == 0) break;
        if (got < 0) return Unexpected(handle_->error("cannot read from the watch"));
        each(Bytes{bytes, header->caplen});
        ++count;
    }
    return count;
}

Result<void, std::string> PortWatch::send(Bytes frame) {
    if (pcap_inject(handle_->pcap.get(), frame.data(), frame.size()) >= 0) return {};
    return Unexpected(handle_->error("cannot send"));
}

std::uint64_t PortWatch::lost() const {
    pcap_stat stats{};
    return pcap_stats(handle_->pcap.get(), &stats) == 0 ? stats.ps_drop : 0;
}

}  // namespace isthmus::bridge
