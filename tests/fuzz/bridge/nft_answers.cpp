// Any bytes as the kernel's answer about nftables rules.
#include <cstdint>

#include "bridge/netlink/nft_requests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::bridge::netlink;
    MessageReader reader(Bytes(data, size));
    while (const auto message = reader.next()) (void)parse_rule_count(*message);
    return 0;
}
