// Input: frames, each behind two bytes: bit 15 asks for its checksums to be made good first, bit 14 for a flush after it,
// the low 12 bits are its size. What leaves, after undoing what was merged, is what came, in order within each flow.
#include <algorithm>
#include <cstdlib>

#include "tests/tunnel/offload/undoing_sink.h"

using namespace isthmus;
using namespace isthmus::tunnel::test;

namespace {

void make_checksums_good(Frame& frame) {
    const auto view = TransportView::of(frame);
    if (view.l4 == 0) return;
    if (view.ip_version == 4) {
        set16(frame, view.l3 + 10U, 0);
        set16(frame, view.l3 + 10U,
              plain_checksum(plain_sum(frame.data() + view.l3, std::size_t{view.l4} - view.l3)));
    }
    if (view.payload == 0) return;
    const std::size_t field = view.l4 + (view.is_tcp() ? 16U : 6U);
    const std::size_t length = frame.size() - view.l4;
    set16(frame, field, 0);
    const auto pseudo = plain_pseudo_sum(frame, view.l3, view.ip_version == 6, view.protocol, length);
    set16(frame, field, plain_checksum(plain_sum(frame.data() + view.l4, length, pseudo)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static PacketPool pool(8192, 600);
    tunnel::Coalescer coalescer({true, true, true, true});
    UndoingSink sink;
    std::vector<Frame> in;
    while (size >= 2) {
        const std::uint16_t word = load_be16(data);
        const std::size_t take = std::min<std::size_t>(word & 0x0fff, size - 2);
        Frame frame(data + 2, data + 2 + take);
        data += 2 + take;
        size -= 2 + take;
        if ((word & 0x8000) != 0) make_checksums_good(frame);
        coalescer.add(packet_of(pool, frame), sink);
        in.push_back(std::move(frame));
        if ((word & 0x4000) != 0) coalescer.flush(sink);
    }
    coalescer.flush(sink);
    if (!sink.sound || !compare_flows(in, sink.frames).empty() || pool.available() != pool.count())
        std::abort();
    return 0;
}
