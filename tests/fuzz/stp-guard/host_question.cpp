// Any bytes as a frame that goes round: whom it is for, and the question for that host.
#include "stp-guard/host_question.h"

#include <cstdint>
#include <cstdlib>

#include "stp-guard/frame_class.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::stp_guard;
    const auto who = addressee_of({data, size});
    if (!who) return 0;
    if (who->host.is_group() || who->text().empty()) std::abort();
    if (!who->address) return 0;

    // The question stays in the frame's VLAN, and is one that every host understands.
    const auto question =
        question_for(*who, MacAddress{{0x02, 0x4c, 0x47, 1, 2, 3}}, MacAddress{{0x02, 0x4c, 0x47, 4, 5, 6}});
    const FrameClass kind = classify(question);
    if (kind.malformed || kind.cast == Cast::unicast || kind.vid != classify({data, size}).vid) std::abort();
    if (kind.protocol != (who->address->is_v6() ? FrameProtocol::neighbor_solicitation : FrameProtocol::arp))
        std::abort();
    return 0;
}
