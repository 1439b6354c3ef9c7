// The Linux kernel's own ESP packets, opened and sealed again.
#include "crypto/esp/udp4500.h"
#include "tests/crypto/esp/esp_fixture.h"
#include "tests/support/pcap_file.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

SaOptions kernel_options(std::uint32_t spi) {
    const bool forward = spi == 0xc0000001;
    auto key = counted_bytes(32, forward ? 0x00 : 0x20);
    for (const std::uint8_t salt : counted_bytes(4, forward ? 0xa0 : 0xb0)) key.push_back(salt);
    SaOptions options;
    options.spi = Spi{spi};
    options.suite = Suite::aes256_gcm16;
    options.key = crypto::SecretBytes(key);
    options.extended_sequence = false;
    return options;
}

/// Repeats the IV of one captured packet.
class CapturedIv final : public IvSource {
  public:
    explicit CapturedIv(Bytes iv) : iv_(iv.begin(), iv.end()) {}
    void fill(std::uint64_t, MutableBytes out, std::size_t) noexcept override {
        std::ranges::copy(iv_, out.begin());
    }

  private:
    std::vector<std::uint8_t> iv_;
};

struct Expectation {
    const char* name;
    bool in_udp;
    std::uint8_t next_header;
};

void check_capture(EspFixture& f, const Expectation& expected) {
    std::string path = ISTHMUS_TEST_VECTORS "/golden/xfrm/";
    path += expected.name;
    const auto capture = read_pcap(path);
    REQUIRE(capture);
    const auto there = f.inbound(kernel_options(0xc0000001));
    const auto back = f.inbound(kernel_options(0xc0000002));
    int packets = 0;
    for (const auto& captured : capture->packets) {
        const auto ip = ip_packet_in(captured.bytes, capture->link_type);
        if (!ip) continue;
        Bytes esp = ip->payload;
        if (expected.in_udp) {
            const auto udp = udp_in(*ip);
            REQUIRE(udp);
            CHECK(udp->destination_port == 4500);
            REQUIRE(classify_udp4500(udp->payload) == Udp4500Kind::esp);
            esp = udp->payload;
        } else {
            REQUIRE(ip->protocol == 50);
        }
        const std::uint32_t spi = load_be32(esp.data());
        auto p = f.packet(esp, 0);
        REQUIRE(f.open(spi == 0xc0000001 ? *there : *back, p) == DropReason::none);
        CHECK(p.meta.next_header == expected.next_header);

        const std::uint32_t sequence = load_be32(esp.data() + 4);
        auto out = OutboundSa::create_with_ivs(kernel_options(spi), {sequence, UINT64_MAX}, *f.provider,
                                               std::make_unique<CapturedIv>(esp.subspan(8, 8)));
        REQUIRE(out);
        CHECK(std::ranges::equal(f.sealed(**out, p.data(), p.meta.next_header), esp));
        ++packets;
    }
    CHECK(packets > 10);
    CHECK(there->highest_sequence() > 0);
    CHECK(back->highest_sequence() > 0);
}

}  // namespace

TEST_CASE("the kernel's ESP opens, and with its numbers and IVs we seal the same bytes") {
    for (const auto kind : provider_kinds()) {
        EspFixture f(kind);
        check_capture(f, {"xfrm-esp-udp.pcap", false, 17});
        check_capture(f, {"xfrm-esp-ip.pcap", false, 115});
        check_capture(f, {"xfrm-encap-udp.pcap", true, 17});
        check_capture(f, {"xfrm-encap-ip.pcap", true, 115});
    }
}
