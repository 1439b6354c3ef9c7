#include "crypto/ike/messages.h"

#include <algorithm>

namespace isthmus::crypto::ike {

namespace {

/// What is left for the IKE message in an IP packet of `packet` bytes.
std::size_t room_in(std::size_t packet, const IkeSa& sa) {
    const std::size_t ip = sa.remote.address.is_v6() ? 40 : 20;
    const std::size_t udp_and_marker = 8 + (sa.floated ? 4 : 0);
    const std::size_t around = ip + udp_and_marker;
    return std::max(packet > around ? packet - around : 0, SkSealer::kMinFragment);
}

Datagrams sealed(Core& core, IkeSa& sa, const Header& header, const std::vector<Payload>& payloads) {
    const PayloadChain chain = emit_payloads(payloads);
    const bool in_fragments = sa.peer_fragments && sa.options->fragment_size != 0;
    if (!in_fragments) return {sa.sealer->seal(header, chain, core.rng)};
    return sa.sealer->seal_within(header, chain, room_in(sa.options->fragment_size, sa), core.rng);
}

}  // namespace

void send_request(Core& core, IkeSa& sa, ExchangeType exchange, std::vector<Payload> payloads) {
    Header header;
    header.initiator_spi = sa.spis.initiator;
    header.responder_spi = sa.spis.responder;
    header.exchange = exchange;
    header.from_initiator = sa.we_initiated;
    header.message_id = sa.exchanges.next_request();
    Datagrams datagrams = sealed(core, sa, header, payloads);
    transmit(core, sa, datagrams);
    sa.exchanges.on_request_sent(exchange, std::move(datagrams), core.now, core.rng);
    core.mark(sa);
}

void send_response(Core& core, IkeSa& sa, const Header& request, const Path& path,
                   std::vector<Payload> payloads) {
    Header header = request;
    header.from_initiator = sa.we_initiated;
    header.is_response = true;
    header.higher_version = false;
    Datagrams datagrams = sealed(core, sa, header, payloads);
    transmit_back(core, path, datagrams);
    sa.exchanges.on_response_sent(std::move(datagrams));
    sa.sent_at = core.now;
    core.mark(sa);
}

void transmit(Core& core, IkeSa& sa, const Datagrams& datagrams) {
    for (const Datagram& datagram : datagrams)
        core.emit(SendDatagram{sa.local, sa.remote, datagram, sa.floated});
    sa.sent_at = core.now;
}

void transmit_back(Core& core, const Path& path, const Datagrams& datagrams) {
    const bool with_marker = path.local.port == core.options.nat_port;
    for (const Datagram& datagram : datagrams)
        core.emit(SendDatagram{path.local, path.remote, datagram, with_marker});
}

}  // namespace isthmus::crypto::ike
