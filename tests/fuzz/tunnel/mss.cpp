// Input: two limits, a byte whose lowest bit says that the checksum is still to be completed, then a frame. Only the option
// and the checksum change, the option only downwards, and the sum over the TCP segment stays what it was.
#include "tunnel/offload/mss_clamp.h"

#include <cstdlib>

#include "base/transport_view.h"
#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {
void must(bool holds) {
    if (!holds) std::abort();
}
std::uint32_t tcp_sum(const Frame& frame, const TransportView& view) {
    const auto sum = plain_sum(frame.data() + view.l4, frame.size() - view.l4);
    return sum == 0xffff ? 0 : sum;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 5) return 0;
    const tunnel::MssLimits limits{load_be16(data), load_be16(data + 2)};
    Offload offload;
    offload.needs_checksum = (data[4] & 1) != 0;
    const Frame before(data + 5, data + size);
    Frame after = before;
    if (!tunnel::clamp_mss(after, offload, limits)) {
        must(after == before);
        return 0;
    }
    const auto view = TransportView::of(before);
    must(view.is_tcp());
    const std::size_t checksum = view.l4 + 16U;
    std::size_t changed_options = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (before[i] == after[i]) continue;
        const bool option = i >= view.l4 + 20U && i < view.payload;
        const bool sum = i == checksum || i == checksum + 1;
        must(option || (sum && !offload.needs_checksum));
        if (option) ++changed_options;
    }
    must(changed_options == 1 || changed_options == 2);
    if (!offload.needs_checksum) must(tcp_sum(before, view) == tcp_sum(after, view));
    must(!tunnel::clamp_mss(after, offload, limits));
    return 0;
}
