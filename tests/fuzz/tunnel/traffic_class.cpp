// Input: one byte of choices (bits 0-1: outer ECN, bits 2-3: DSCP policy, bit 4: ECN mode), then a frame. The outer mark
// changes at most the ECN field, and an IPv4 header's checksum stays as right or wrong as it was.
#include <cstdlib>
#include <vector>

#include "base/checksum.h"
#include "base/ethernet.h"
#include "tunnel/qos.h"

using namespace isthmus;
using namespace isthmus::tunnel;

namespace {
void require(bool truth) {
    if (!truth) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    const std::uint8_t choices = data[0];
    const auto policy = DscpPolicy{static_cast<std::uint8_t>(((choices >> 2) & 3) % 3)};
    const auto mode = (choices & 16) != 0 ? EcnMode::compatibility : EcnMode::normal;
    const std::vector<std::uint8_t> before(data + 1, data + size);
    std::vector<std::uint8_t> after = before;

    const std::uint8_t inner = outer_traffic_class(before, DscpPolicy::copy_inner, EcnMode::normal);
    const std::uint8_t outer = outer_traffic_class(before, policy, mode);
    require(mode == EcnMode::normal ? ecn_of(outer) == ecn_of(inner) : ecn_of(outer) == Ecn::not_ect);

    const std::uint8_t mark = choices & 3;
    const auto combined = combine_ecn(ecn_of(inner), Ecn{mark});
    require(apply_outer_ecn(after, mark) == combined.has_value());
    if (!combined || *combined == ecn_of(inner)) {
        require(after == before);
        return 0;
    }
    require(outer_traffic_class(after, DscpPolicy::copy_inner, EcnMode::normal) ==
            ((inner & 0xfc) | static_cast<std::uint8_t>(*combined)));
    const auto view = EthernetView::parse(before);
    require(view.has_value());
    const std::size_t at = view->payload_offset;
    if (view->type != kEtherTypeIpv4) return 0;
    const Bytes old_header(before.data() + at, 20);
    const Bytes new_header(after.data() + at, 20);
    require(internet_checksum(old_header) % 0xffff == internet_checksum(new_header) % 0xffff);
    return 0;
}
