#include "crypto/ike/receive.h"

#include <utility>

#include "crypto/ike/auth.h"
#include "crypto/ike/child_create.h"
#include "crypto/ike/child_rekey.h"
#include "crypto/ike/connect.h"
#include "crypto/ike/deletion.h"
#include "crypto/ike/ike_rekey.h"
#include "crypto/ike/informational.h"
#include "crypto/ike/init.h"
#include "crypto/ike/liveness.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/moves.h"
#include "crypto/ike/other_version.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::receive {

namespace {

/// A message that this IKE SA's peer has sent, decrypted.
struct Arrival {
    const Header& header;
    const Path& path;
    std::vector<Payload> payloads;
};

std::vector<Payload> create_child_sa(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    if (const auto* rekey = find_notify(payloads, NotifyType::rekey_sa)) {
        const auto* spi = std::get_if<Spi>(&rekey->spi);
        if (spi == nullptr) return {notify(NotifyType::invalid_syntax)};
        return child_rekey::on_request(core, sa, *spi, payloads);
    }
    const auto* offered = find<SaPayload>(payloads);
    if (offered == nullptr) return {notify(NotifyType::invalid_syntax)};
    if (offered->proposals.front().protocol == ProtocolId::ike)
        return ike_rekey::on_request(core, sa, payloads);
    return child_create::on_request(core, sa, payloads);
}

std::vector<Payload> answer_to(Core& core, IkeSa& sa, const Arrival& request) {
    switch (request.header.exchange) {
        case ExchangeType::ike_auth:
            if (sa.state == IkeState::half_open)
                return auth::on_request(core, sa, request.payloads, request.path);
            break;
        case ExchangeType::create_child_sa:
            if (sa.is_authenticated()) return create_child_sa(core, sa, request.payloads);
            break;
        case ExchangeType::informational:
            // What is over here may still be there: whoever deletes it must not have to wait.
            if (sa.state == IkeState::closed) return {};
            if (sa.is_authenticated()) return informational::on_request(core, sa, request.payloads);
            break;
        case ExchangeType::ike_sa_init:
        case ExchangeType::ike_intermediate:
        case ExchangeType::ike_followup_ke: break;
    }
    return {notify(NotifyType::invalid_syntax)};
}

void on_response(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    sa.exchanges.on_answered();
    core.mark(sa);
    auto request = std::exchange(sa.request, std::nullopt);
    if (sa.state == IkeState::auth_sent && !(request && std::holds_alternative<Refusal>(*request))) {
        auto* offer = request ? std::get_if<ChildOffer>(&*request) : nullptr;
        return auth::on_response(core, sa, offer, payloads);
    }
    if (!request) return;
    if (auto* offer = std::get_if<ChildOffer>(&*request)) {
        if (offer->rekeys) return child_rekey::on_response(core, sa, std::move(*offer), payloads);
        return child_create::on_response(core, sa, std::move(*offer), payloads);
    }
    if (auto* rekey = std::get_if<IkeRekey>(&*request))
        return ike_rekey::on_response(core, sa, std::move(*rekey), payloads);
    if (const auto* child = std::get_if<ChildDeletion>(&*request))
        return deletion::on_response(core, sa, *child);
    if (const auto* ike = std::get_if<IkeDeletion>(&*request)) return deletion::on_response(core, sa, *ike);
    if (std::holds_alternative<Refusal>(*request)) upkeep::close(core, sa, ChildDownReason::failed);
}

/// Authentic, but not readable: the other side has a fault, or we have.
void on_unreadable(Core& core, IkeSa& sa, const Header& header, const Path& path, const ParseError& error) {
    core.fail(sa.peer(), "a message of the peer's is not readable: " + error.what);
    if (header.is_response) {
        sa.exchanges.on_answered();
        return upkeep::lose(core, sa, ChildDownReason::failed, "the peer's answer is not readable");
    }
    if (error.answer == NotifyType::unsupported_critical_payload)
        return send_response(core, sa, header, path, {unsupported_critical_notify(error.critical_payload)});
    send_response(core, sa, header, path, {notify(error.answer)});
    // RFC 7296 section 2.21.3: this IKE SA cannot be trusted to be in step any more.
    upkeep::lose(core, sa, ChildDownReason::failed, "the peer's request is not readable");
}

/// The whole message's payloads, once the last fragment is here.
std::optional<PayloadChain> assemble(IkeSa& sa, const Message& message, std::vector<std::uint8_t> content) {
    const EncryptedPart& part = *message.encrypted;
    if (!part.fragment) return PayloadChain{part.first_inner, std::move(content)};
    auto& assembler = message.header.is_response ? sa.response_fragments : sa.request_fragments;
    if (assembler.add(message.header.message_id, part, content) != FragmentAssembler::Outcome::complete)
        return std::nullopt;
    return assembler.take();
}

bool deletes_ike_sa(std::span<const Payload> payloads) {
    const auto* deletion = find<DeletePayload>(payloads);
    return deletion != nullptr && deletion->protocol == ProtocolId::ike;
}

void on_authentic(Core& core, IkeSa& sa, const Message& message, std::vector<std::uint8_t> content,
                  const Path& path) {
    upkeep::on_sign_of_life(core, sa);
    core.mark(sa);
    auto chain = assemble(sa, message, std::move(content));
    if (!chain) return;
    moves::on_authentic_message(core, sa, path);
    auto payloads = parse_payloads(chain->first, chain->bytes);
    if (!payloads) return on_unreadable(core, sa, message.header, path, payloads.error());
    if (message.header.is_response) return on_response(core, sa, *payloads);
    if (sa.pending && !deletes_ike_sa(*payloads)) ike_rekey::on_pending_used(core, sa);
    // A new request: it has our last answer, and what that told of.
    for (ChildSa& child : sa.children) child.settled_at = {};
    const Arrival request{message.header, path, std::move(payloads).value()};
    send_response(core, sa, message.header, path, answer_to(core, sa, request));
}

/// What to do with a message, by its header, if it is authentic.
enum class Place : std::uint8_t { next, repeated, nowhere };
Place place_of(const IkeSa& sa, const Header& header) {
    const bool spis_fit = header.initiator_spi == sa.spis.initiator &&
                          header.responder_spi == sa.spis.responder &&
                          header.from_initiator != sa.we_initiated;
    if (!spis_fit || !sa.opener) return Place::nowhere;
    if (header.is_response)
        return sa.exchanges.awaits(header.message_id, header.exchange) ? Place::next : Place::nowhere;
    switch (sa.exchanges.judge(header.message_id)) {
        case Exchanges::Incoming::fresh:
            if (sa.state == IkeState::closed && header.exchange != ExchangeType::informational) break;
            return Place::next;
        case Exchanges::Incoming::repeated: return Place::repeated;
        case Exchanges::Incoming::outside: break;
    }
    return Place::nowhere;
}

void on_protected(Core& core, const Message& message, Bytes datagram, const Path& path) {
    const Header& header = message.header;
    const IkeSpi own = header.from_initiator ? header.responder_spi : header.initiator_spi;
    IkeSa* sa = core.sa_with(own);
    if (sa == nullptr) return liveness::answer_unknown_ike_sa(core, header, path);
    const Place place = place_of(*sa, header);
    if (place == Place::nowhere) {
        ++core.counters.dropped;
        return;
    }
    auto content = sa->opener->open(datagram, *message.encrypted);
    if (!content) {
        ++core.counters.dropped;
        return;
    }
    if (place == Place::next) return on_authentic(core, *sa, message, std::move(content).value(), path);
    // RFC 7383 section 2.6.1: of a request in fragments the first one asks for the answer again.
    const auto& fragment = message.encrypted->fragment;
    if (!fragment || fragment->number == 1) transmit_back(core, path, sa->exchanges.last_response());
}

/// In clear, and not IKE_SA_INIT: nobody vouches for it.
void on_clear(Core& core, const Message& message, const Path& path) {
    const Header& header = message.header;
    const IkeSpi own = header.from_initiator ? header.responder_spi : header.initiator_spi;
    IkeSa* sa = header.is_response ? core.sa_with(own) : nullptr;
    const bool is_ours = sa != nullptr && header.initiator_spi == sa->spis.initiator &&
                         header.responder_spi == sa->spis.responder &&
                         sa->exchanges.awaits(header.message_id, header.exchange);
    if (!is_ours) return liveness::on_unprotected(core, message, path);
    const auto* error = find_error(message.payloads);
    if (error == nullptr) return;
    const std::string what = name_of(error->type) + " from " + path.remote.text();
    if (sa->state == IkeState::auth_sent) sa->setup->hearsay = what;
    liveness::on_hint(core, *sa, what);
}

void on_init(Core& core, const Message& message, Bytes datagram, const Path& path) {
    const Header& header = message.header;
    if (message.encrypted || header.is_response == header.from_initiator) {
        ++core.counters.dropped;
        return;
    }
    if (!header.is_response) {
        if (raw(header.responder_spi) == 0) return init::on_request(core, message, datagram, path);
        ++core.counters.dropped;
        return;
    }
    IkeSa* sa = core.sa_with(header.initiator_spi);
    if (sa == nullptr || !sa->we_initiated) {
        ++core.counters.dropped;
        return;
    }
    init::on_response(core, *sa, message, datagram, path);
}

}  // namespace

void on_datagram(Core& core, Bytes datagram, const Path& path) {
    const auto message = parse_message(datagram);
    if (!message) {
        ++core.counters.dropped;
        if (message.error().answer == NotifyType::invalid_major_version)
            other_version::on_message(core, datagram, path);
        return;
    }
    if (message->header.exchange == ExchangeType::ike_sa_init) return on_init(core, *message, datagram, path);
    if (message->encrypted) return on_protected(core, *message, datagram, path);
    on_clear(core, *message, path);
}

}  // namespace isthmus::crypto::ike::receive
