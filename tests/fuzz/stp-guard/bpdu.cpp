// Any bytes as a BPDU.
#include "stp-guard/bpdu.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus::stp_guard;
    const auto bpdu = parse_bpdu({data, size});
    if (!bpdu) {
        if (name_of(bpdu.error()).empty()) std::abort();
        return 0;
    }
    if (name_of(bpdu->kind).empty() || bpdu->sender().text().empty()) std::abort();
    if (bpdu->mst.has_value() != (bpdu->kind == BpduKind::multiple || bpdu->kind == BpduKind::shortest_path))
        std::abort();
    if (bpdu->mst && bpdu->mst->instances.size() > 64) std::abort();
    if (bpdu->mst && bpdu->mst->configuration.name().size() > 32) std::abort();
    return 0;
}
