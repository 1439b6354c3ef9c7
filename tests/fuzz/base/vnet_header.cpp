// Input: a vnet header of 10 bytes, then a frame. What decodes describes the frame, and encodes to what decodes the same.
#include "base/vnet_header.h"

#include <algorithm>
#include <cstdlib>

#include "base/transport_view.h"

using namespace isthmus;

namespace {
void must(bool holds) {
    if (!holds) std::abort();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < kVnetHeaderSize) return 0;
    VnetHeader header;
    std::copy_n(data, header.size(), header.begin());
    const Bytes frame(data + kVnetHeaderSize, size - kVnetHeaderSize);
    const auto offload = decode_vnet_header(header, frame);
    if (!offload) return 0;
    if (offload->needs_checksum)
        must(std::size_t{offload->checksum_start} + offload->checksum_offset + 2 <= frame.size());
    if (offload->kind != Offload::Kind::none) {
        must(offload->segment_size > 0 && offload->header_size < frame.size());
        must(TransportView::of(frame).payload == offload->header_size);
    }
    const auto again = decode_vnet_header(encode_vnet_header(*offload), frame);
    must(again && again->kind == offload->kind && again->segment_size == offload->segment_size &&
         again->header_size == offload->header_size && again->ecn == offload->ecn &&
         again->needs_checksum == offload->needs_checksum &&
         again->checksum_start == offload->checksum_start);
    return 0;
}
