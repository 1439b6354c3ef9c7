#include "crypto/ike/informational.h"

#include "crypto/ike/child.h"
#include "crypto/ike/deletion.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::informational {

std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    if (find_notify(payloads, NotifyType::authentication_failed) != nullptr) {
        // RFC 7296 section 2.21.2: it took our IKE_AUTH response amiss.
        upkeep::lose(core, sa, ChildDownReason::failed,
                     "the peer refused our authentication (AUTHENTICATION_FAILED): our identity or "
                     "credentials are not "
                     "what it expects");
        return {};
    }
    if (const auto* unknown = find_notify(payloads, NotifyType::invalid_spi)) {
        const auto spi = unknown_spi_in(*unknown);
        const ChildSa* pair = spi ? sa.child_out(*spi) : nullptr;
        if (pair != nullptr && pair->is_live()) {
            core.fail(sa.peer(), "the peer has lost child " + pair->name + ": made anew");
            child::remove(core, sa, pair->inbound, ChildDownReason::failed);
        }
    }
    return deletion::on_request(core, sa, payloads);
}

}  // namespace isthmus::crypto::ike::informational
