// Input: a vnet header of 10 bytes, then a frame. What is taken is segmented as the plain way does.
#include <algorithm>
#include <cstdlib>

#include "base/vnet_header.h"
#include "tests/support/frame_builder.h"
#include "tunnel/offload/segmenter.h"

using namespace isthmus;
using namespace isthmus::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static PacketPool large(70'000, 1);
    static PacketPool slots(4096, 4);
    if (size < kVnetHeaderSize || size > 66'000) return 0;
    VnetHeader header;
    std::copy_n(data, header.size(), header.begin());
    const Frame frame(data + kVnetHeaderSize, data + size);
    const auto offload = decode_vnet_header(header, frame);
    if (!offload) return 0;
    tunnel::Segmenter segmenter(slots, 64, 64);
    if (segmenter.start(packet_of(large, frame, *offload)) != DropReason::none) return 0;
    const auto expected = plain_segments(frame, *offload);
    std::size_t n = 0;
    while (auto packet = segmenter.next()) {
        if (n == expected.size() || bytes_of(*packet) != expected[n]) std::abort();
        ++n;
    }
    if (n != expected.size() || segmenter.busy()) std::abort();
    return 0;
}
