// Any bytes as a datagram from the kernel: links, addresses, hosts and acknowledgements.
#include <cstdint>
#include <cstdlib>

#include "bridge/netlink/fdb_messages.h"
#include "bridge/netlink/link_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus::bridge::netlink;
    MessageReader reader({data, size});
    while (const auto message = reader.next()) {
        if (const auto link = parse_link(*message)) {
            // What is promised: a name, an index, and a PVID that is a member.
            if (link->link.name.empty() || link->link.index == isthmus::bridge::kNoInterface) std::abort();
            const auto& vlans = link->link.vlans;
            if (vlans.pvid && !vlans.members.contains(*vlans.pvid)) std::abort();
        }
        if (const auto address = parse_address(*message))
            if (address->address.index == isthmus::bridge::kNoInterface) std::abort();
        if (const auto host = parse_fdb(*message))
            if (host->port == isthmus::bridge::kNoInterface || host->vid > 4095) std::abort();
        if (const auto ack = parse_acknowledgement(*message))
            if (ack->error < 0) std::abort();
    }
    return 0;
}
