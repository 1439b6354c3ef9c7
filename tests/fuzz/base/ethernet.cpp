// Ethernet, IP and transport headers of any frame; a vnet header in front of it.
#include "base/ethernet.h"

#include <algorithm>
#include <cstdlib>

#include "base/transport_view.h"
#include "base/vnet_header.h"

using namespace isthmus;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void check_offload(Bytes in) {
    if (in.size() < kVnetHeaderSize) return;
    VnetHeader header;
    std::copy_n(in.begin(), kVnetHeaderSize, header.begin());
    const Bytes frame = in.subspan(kVnetHeaderSize);
    const auto offload = decode_vnet_header(header, frame);
    if (!offload) return;
    if (offload->needs_checksum)
        require(std::size_t{offload->checksum_start} + offload->checksum_offset + 2 <= frame.size());
    if (offload->kind != Offload::Kind::none)
        require(offload->segment_size > 0 && offload->header_size < frame.size());
    // What we would tell a TAP means the same again.
    const auto again = decode_vnet_header(encode_vnet_header(*offload), frame);
    require(again && again->kind == offload->kind && again->segment_size == offload->segment_size &&
            again->header_size == offload->header_size && again->ecn == offload->ecn);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes in(data, size);
    const auto ethernet = EthernetView::parse(in);
    const auto view = TransportView::of(in);
    if (ethernet) {
        require(ethernet->payload_offset == kEthernetHeaderSize + ethernet->tag_count * kVlanTagSize);
        require(ethernet->payload_offset <= size);
    }
    if (view.l3 != 0) require(ethernet && view.l3 == ethernet->payload_offset);
    if (view.l4 != 0) {
        require(view.l4 <= size && view.l4 > view.l3);
        static_cast<void>(view.pseudo_sum(in, static_cast<std::uint32_t>(size - view.l4)));
    }
    if (view.payload != 0) require(view.payload <= size && view.payload > view.l4);
    check_offload(in);
    return 0;
}
