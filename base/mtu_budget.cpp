#include "base/mtu_budget.h"

#include <algorithm>

#include "base/ethernet.h"

namespace isthmus {

namespace {

constexpr std::uint32_t kUdp = 8;
constexpr std::uint32_t kEspHeader = 8;   // SPI, sequence number
constexpr std::uint32_t kEspTrailer = 2;  // pad length, next header

class Lines {
  public:
    void add(const char* what, std::uint32_t bytes) {
        if (bytes == 0) return;
        lines_.push_back({what, bytes});
        sum_ += bytes;
    }
    void add_ip(const char* v4, const char* v6, bool is_v6) { add(is_v6 ? v6 : v4, is_v6 ? 40 : 20); }
    [[nodiscard]] std::uint32_t sum() const { return sum_; }
    [[nodiscard]] std::vector<MtuLine> take() && { return std::move(lines_); }

  private:
    std::vector<MtuLine> lines_;
    std::uint32_t sum_ = 0;
};

/// ESP up to the payload.
void add_esp_front(Lines& lines, const EspOverhead& esp) {
    if (esp.in_udp) lines.add("UDP header around ESP", kUdp);
    lines.add("ESP header", kEspHeader);
    lines.add("ESP IV", esp.iv);
}

/// Bytes at the end that no frame can use, because ESP fills whole blocks.
std::uint32_t unusable(const EspOverhead& esp, std::uint32_t path_mtu, std::uint32_t before_payload) {
    const std::uint32_t fixed = before_payload + esp.icv;
    return path_mtu <= fixed ? 0 : (path_mtu - fixed) % std::max(4U, esp.block);
}

}  // namespace

MtuBudget mtu_budget(const MtuBudgetInput& input) {
    Lines lines;
    lines.add_ip("outer IPv4 header", "outer IPv6 header", input.outer_v6);
    std::uint32_t padding = 0;
    if (input.esp) {
        add_esp_front(lines, *input.esp);
        padding = unusable(*input.esp, input.path_mtu, lines.sum());
        if (input.esp->tunnel_mode)
            lines.add_ip("inner IPv4 header", "inner IPv6 header", input.esp->inner_v6);
    }
    if (input.l2tp_over_udp) lines.add("UDP header of L2TPv3", kUdp);
    lines.add("L2TPv3 header", input.l2tp_over_udp ? 8 : 4);
    lines.add("L2TPv3 cookie", input.cookie);
    lines.add("L2TPv3 sublayer", input.sublayer ? 4 : 0);
    const auto ethernet = static_cast<std::uint32_t>(kEthernetHeaderSize + input.tags * kVlanTagSize);
    lines.add("Ethernet header", kEthernetHeaderSize);
    lines.add("VLAN tags", static_cast<std::uint32_t>(input.tags * kVlanTagSize));
    if (input.esp) {
        lines.add("ESP padding to whole blocks", padding);
        lines.add("ESP trailer", kEspTrailer);
        lines.add("ESP ICV", input.esp->icv);
    }

    MtuBudget budget;
    const std::uint32_t used = lines.sum();
    budget.lines = std::move(lines).take();
    if (used >= input.path_mtu) return budget;
    budget.ip_mtu = input.path_mtu - used;
    budget.max_frame = budget.ip_mtu + ethernet;
    return budget;
}

}  // namespace isthmus
