#include "base/mtu_budget.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace isthmus;

namespace {
std::uint32_t sum(const MtuBudget& budget) {
    return std::accumulate(budget.lines.begin(), budget.lines.end(), budget.ip_mtu,
                           [](std::uint32_t s, const MtuLine& line) { return s + line.bytes; });
}
/// Size of the outer packet around a frame: by the formats, not by the budget.
std::uint32_t outer_size(const MtuBudgetInput& in, std::uint32_t frame) {
    std::uint32_t size = frame + in.cookie + (in.sublayer ? 4U : 0U) + (in.l2tp_over_udp ? 8U + 8U : 4U);
    if (in.esp) {
        if (in.esp->tunnel_mode) size += in.esp->inner_v6 ? 40U : 20U;
        size += 2;
        while (size % in.esp->block != 0) ++size;
        size += 8 + in.esp->iv + in.esp->icv + (in.esp->in_udp ? 8U : 0U);
    }
    return size + (in.outer_v6 ? 40U : 20U);
}
EspOverhead gcm() {
    return {};
}
EspOverhead cbc() {
    EspOverhead esp;
    esp.iv = 16;
    esp.block = 16;
    return esp;
}
}  // namespace

TEST_CASE("the Linux kernel's own figures come out for L2TPv3 over UDP") {
    MtuBudgetInput in;
    in.sublayer = true;
    CHECK(mtu_budget(in).ip_mtu == 1446);
    in.cookie = 8;
    CHECK(mtu_budget(in).ip_mtu == 1438);
    CHECK(mtu_budget(in).max_frame == 1452);
}

TEST_CASE("the lines name every header, from the outside in") {
    MtuBudgetInput in;
    in.cookie = 8;
    in.tags = 1;
    in.esp = gcm();
    const MtuBudget budget = mtu_budget(in);
    const std::vector<MtuLine> expected{{"outer IPv4 header", 20},
                                        {"UDP header around ESP", 8},
                                        {"ESP header", 8},
                                        {"ESP IV", 8},
                                        {"UDP header of L2TPv3", 8},
                                        {"L2TPv3 header", 8},
                                        {"L2TPv3 cookie", 8},
                                        {"Ethernet header", 14},
                                        {"VLAN tags", 4},
                                        {"ESP trailer", 2},
                                        {"ESP ICV", 16}};
    CHECK(budget.lines == expected);
    CHECK(budget.ip_mtu == 1500 - 104);
    CHECK(budget.max_frame == 1500 - 104 + 18);
}

TEST_CASE("the largest frame fits and one byte more does not, for every combination") {
    for (const std::uint32_t path_mtu : {1280U, 1400U, 1492U, 1500U, 1501U, 1502U, 1503U, 1700U, 9000U}) {
        for (unsigned bits = 0; bits < 512; ++bits) {
            MtuBudgetInput in;
            in.path_mtu = path_mtu;
            in.outer_v6 = (bits & 1) != 0;
            in.l2tp_over_udp = (bits & 2) != 0;
            in.cookie = (bits & 4) != 0 ? 8 : 0;
            in.sublayer = (bits & 8) != 0;
            in.tags = (bits & 16) != 0 ? 2 : 0;
            if ((bits & 32) != 0) {
                in.esp = (bits & 64) != 0 ? cbc() : gcm();
                in.esp->in_udp = (bits & 128) != 0;
                in.esp->tunnel_mode = (bits & 256) != 0;
                in.esp->inner_v6 = in.outer_v6;
            }
            const MtuBudget budget = mtu_budget(in);
            CAPTURE(path_mtu);
            CAPTURE(bits);
            REQUIRE(outer_size(in, budget.max_frame) <= path_mtu);
            REQUIRE(outer_size(in, budget.max_frame + 1) > path_mtu);
            REQUIRE(sum(budget) == path_mtu);
            REQUIRE(budget.max_frame == budget.ip_mtu + 14 + 4 * in.tags);
        }
    }
}

TEST_CASE("a path too small for the headers carries nothing") {
    MtuBudgetInput in;
    in.esp = cbc();
    in.path_mtu = 60;
    CHECK(mtu_budget(in).max_frame == 0);
    CHECK(mtu_budget(in).ip_mtu == 0);
    in.path_mtu = 0;
    CHECK(mtu_budget(in).max_frame == 0);
}
