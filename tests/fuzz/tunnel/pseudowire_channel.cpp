// Input: a message of a pseudowire's channel, from its word on. What parses is said again in the same bytes, but for
// reserved bits.
#include <algorithm>
#include <cstdlib>

#include "tunnel/bfd_packet.h"
#include "tunnel/pseudowire_echo.h"
#include "tunnel/vccv.h"

using namespace isthmus;
using namespace isthmus::tunnel;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto message = ChannelMessage::parse({data, size});
    if (!message) return 0;
    const auto again = message->emit();
    if (again.size() != size || !std::equal(again.begin() + 4, again.end(), data + 4)) std::abort();
    if (const auto echo = EchoPacket::parse(message->payload)) {
        const auto wire = echo->emit();
        if (!std::ranges::equal(wire, message->payload)) std::abort();
        if (echo->reply().emit().size() != wire.size()) std::abort();
    }
    if (const auto bfd = BfdPacket::parse(message->payload)) {
        const auto wire = bfd->emit();
        const auto second = BfdPacket::parse(wire);
        if (!second || *second != *bfd) std::abort();
    }
    return 0;
}
