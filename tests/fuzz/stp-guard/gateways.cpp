// Any bytes as a frame that may speak for a gateway.
#include "stp-guard/gateways.h"

#include <cstdint>
#include <cstdlib>

#include "stp-guard/gateway_observer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::stp_guard;
    static const GatewayFilter filter = [] {
        GatewayOptions options;
        options.dual = VlanSet::all();
        options.dual_untagged = true;
        options.gateways = {{0, IpAddress::v4({192, 0, 2, 1}), MacAddress{{2, 0, 0x5e, 0x10, 0, 0xaa}}},
                            {10, IpAddress::v4({192, 0, 2, 1}), {}}};
        return GatewayFilter(options);
    }();
    const Bytes frame(data, size);
    const FrameClass kind = classify(frame);
    if (kind.malformed) return 0;
    (void)filter.keeps(frame, kind);
    const auto found = gateways_in(frame, kind);
    if (found.size() > 20) std::abort();
    for (const SeenGateway& gateway : found)
        if (gateway.vid > 4095 || name_of(gateway.evidence).empty()) std::abort();
    return 0;
}
