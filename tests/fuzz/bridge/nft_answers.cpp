// Any bytes as what the kernel tells about nftables: answers and notices.
#include <cstdint>

#include "bridge/netlink/nft_counts.h"
#include "bridge/netlink/nft_events.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::bridge::netlink;
    MessageReader reader(Bytes(data, size));
    NftLosses losses;
    while (const auto message = reader.next()) {
        (void)parse_rule_count(*message);
        losses.on_message(*message);
    }
    (void)losses.take();
    return 0;
}
