// Any bytes as a gateway's message. With the MAC made right, so that what lies behind its check is reached too.
#include "stp-guard/guard_message.h"

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "stp-guard/loop_probe.h"
#include "stp-guard/peer_link.h"
#include "tests/stp-guard/toy_authenticator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace isthmus;
    using namespace isthmus::stp_guard;
    const test::ToyAuthenticator authenticator;
    const auto received = parse_guard_message({data, size});
    if (!received) {
        if (name_of(received.error()).empty()) std::abort();
        return 0;
    }
    const std::vector<std::uint8_t> again = emit(received->message, guard_source({}, {}), authenticator);
    const auto second = parse_guard_message(again);
    if (!second || second->message != received->message) std::abort();
    if (!is_authentic(second->sealed, second->mac, authenticator)) std::abort();

    PeerLink peer({received->message.sender.domain, SiteId{1}, NodeId{1}}, received->message.nonce_echo, {});
    const TimePoint now(std::chrono::seconds(100));
    peer.on_link(true, now);
    const auto outcome = peer.on_message(received->message, now);
    if (outcome == PeerLink::Outcome::believed)
        for (const VlanEntry& entry : received->message.vlans)
            if (!peer.entry(entry.vid, now)) std::abort();
    if (outcome == PeerLink::Outcome::believed &&
        peer.on_message(received->message, now) != PeerLink::Outcome::not_fresh)
        std::abort();
    return 0;
}
