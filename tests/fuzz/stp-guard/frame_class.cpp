// Any bytes as a frame: the classifier and the BPDU parser agree on what is a BPDU.
#include <cstdint>
#include <cstdlib>

#include "base/ethernet.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/frame_class.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::stp_guard;
    const Bytes frame(data, size);
    const FrameClass kind = classify(frame);
    if (kind.malformed != !EthernetView::parse(frame).has_value()) std::abort();
    if (kind.vid > 4095) std::abort();
    if (name_of(kind.link_local).empty()) std::abort();
    if (name_of(kind.protocol).empty() || name_of(storm_class_of(kind)).empty()) std::abort();
    if (kind.payload_offset > size) std::abort();
    if (parse_bpdu_frame(frame).has_value() && !is_bpdu(kind.link_local)) std::abort();
    return 0;
}
