// Sends an IKE SA's messages: sealed, cut into fragments where the peer takes them, kept for repetition.
#pragma once

#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike {

void send_request(Core& core, IkeSa& sa, ExchangeType exchange, std::vector<Payload> payloads);
/// The answer to the request with this id, to where it came from.
void send_response(Core& core, IkeSa& sa, const Header& request, const Path& path,
                   std::vector<Payload> payloads);

/// Datagrams that are ready, from and to the IKE SA's own endpoints.
void transmit(Core& core, IkeSa& sa, const Datagrams& datagrams);
/// In answer to what came along `path`.
void transmit_back(Core& core, const Path& path, const Datagrams& datagrams);

inline void append(std::vector<Payload>& to, std::vector<Payload>&& more) {
    to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}
[[nodiscard]] inline Payload notify(NotifyType type, std::vector<std::uint8_t> data = {}) {
    return NotifyPayload{type, std::move(data)};
}

}  // namespace isthmus::crypto::ike
