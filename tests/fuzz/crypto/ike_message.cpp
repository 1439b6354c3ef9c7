// Parses IKE messages as anybody may send them. What was read is written again, and read once more: the same.
#include <algorithm>
#include <cstdlib>

#include "crypto/ike/negotiation.h"
#include "crypto/ike/wire/message.h"

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {

/// Selectors of types that we pass over leave an empty list, which we never send.
bool has_empty_selectors(const std::vector<Payload>& payloads) {
    return std::ranges::any_of(payloads, [](const Payload& payload) {
        const auto* i = std::get_if<TsInitiatorPayload>(&payload);
        const auto* r = std::get_if<TsResponderPayload>(&payload);
        return (i != nullptr && i->selectors.empty()) || (r != nullptr && r->selectors.empty());
    });
}

void negotiate(const std::vector<Payload>& payloads) {
    const auto* sa = find<SaPayload>(payloads);
    if (sa == nullptr) return;
    const auto ike = choose(default_ike_policy(), *sa, std::nullopt);
    // Our choice is always one that the other side finds among what it offered.
    if (ike && !accept_ike(*sa, answer(*ike, std::nullopt)) && raw(ike->peer_spi) == 0 &&
        std::ranges::count(sa->proposals, ike->number, &Proposal::number) == 1)
        std::abort();
    (void)choose(default_child_policy(), *sa, ChildExchange::create_child_sa, 19);
    (void)accept_child(offer(default_child_policy(), Spi{1}, ChildExchange::ike_auth), *sa);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 0xffff) return 0;
    std::vector<std::uint8_t> datagram(data, data + size);
    // A length that is right gets further; one in eight stays as it is.
    if (size >= kHeaderSize && data[0] % 8 != 0)
        store_be32(datagram.data() + kHeaderLengthAt, static_cast<std::uint32_t>(size));
    const auto message = parse_message(datagram);
    if (!message) {
        if (message.error().what.empty()) std::abort();
        return 0;
    }
    (void)text_of(message->payloads);
    negotiate(message->payloads);
    if (message->encrypted) {
        if (message->encrypted->offset > size) std::abort();
        return 0;
    }
    if (has_empty_selectors(message->payloads)) return 0;
    const auto written = emit_message(message->header, message->payloads);
    const auto again = parse_message(written);
    if (!again || again->header != message->header) std::abort();
    if (emit_message(again->header, again->payloads) != written) std::abort();
    return 0;
}
