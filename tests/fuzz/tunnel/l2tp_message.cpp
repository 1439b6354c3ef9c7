// Input: one byte (bit 0: over IP), then a control message as it comes from the network. What parses is said again and
// parses to the same; what does not parse says why.
#include <cstdlib>

#include "tunnel/control_auth.h"
#include "tunnel/control_message.h"
#include "tunnel/control_text.h"

using namespace isthmus;
using namespace isthmus::tunnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Encapsulation encapsulation = (data[0] & 1) != 0 ? Encapsulation::ip : Encapsulation::udp;
    const Bytes bytes(data + 1, size - 1);
    if (describe(encapsulation, bytes).summary.empty()) std::abort();
    const auto packet = ControlPacket::parse(encapsulation, bytes);
    if (!packet) {
        if (packet.error().empty()) std::abort();
        return 0;
    }
    const auto parsed = parse_body(packet->body);
    if (!parsed) {
        if (parsed.error().text.empty()) std::abort();
        return 0;
    }
    if (std::holds_alternative<UnknownMessage>(parsed->message)) return 0;
    const auto wire = wire_form(encapsulation, plain_message(packet->header, emit_body(parsed->message)));
    const auto second_packet = ControlPacket::parse(encapsulation, wire);
    if (!second_packet || second_packet->header != packet->header) std::abort();
    const auto second = parse_body(second_packet->body);
    if (!second || !(second->message == parsed->message)) std::abort();
    return 0;
}
