#include <algorithm>

#include "crypto/ike/auth.h"
#include "crypto/ike/connect.h"
#include "crypto/ike/init.h"
#include "crypto/ike/init_common.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/negotiation.h"

// The initiator's side of IKE_SA_INIT.

namespace isthmus::crypto::ike::init {

namespace {

/// COOKIE and INVALID_KE_PAYLOAD are followed so often in one attempt; anybody could send them.
constexpr unsigned kMostRestarts = 5;

void send(Core& core, IkeSa& sa) {
    Setup& setup = *sa.setup;
    std::vector<Payload> payloads;
    if (!setup.cookie.empty()) payloads.push_back(notify(NotifyType::cookie, setup.cookie));
    const Bytes value = setup.key_exchange->public_value();
    payloads.push_back(setup.offered);
    payloads.push_back(KeyExchangePayload{static_cast<std::uint16_t>(setup.key_exchange->group()),
                                          {value.begin(), value.end()}});
    payloads.push_back(NoncePayload{setup.own_nonce});
    append(payloads, capabilities(core, sa, {sa.local, sa.remote, std::nullopt}));
    Header header;
    header.initiator_spi = sa.spis.initiator;
    header.from_initiator = true;
    setup.own_init = emit_message(header, payloads);
    transmit(core, sa, {setup.own_init});
    sa.exchanges.on_request_sent(ExchangeType::ike_sa_init, {setup.own_init}, core.now, core.rng);
    core.mark(sa);
}

/// Asked of us before, and done: the answer to an earlier request, or the same one twice.
bool is_fulfilled(const Setup& setup, const NotifyPayload& wish) {
    if (setup.tries == 0) return false;
    if (wish.type == NotifyType::cookie) return wish.data == setup.cookie;
    return wanted_group_in(wish) == static_cast<std::uint16_t>(setup.key_exchange->group());
}

/// True: the notification asks us to begin again, and we did.
bool follow(Core& core, IkeSa& sa, const NotifyPayload& wish) {
    Setup& setup = *sa.setup;
    if (setup.tries >= kMostRestarts) return false;
    if (wish.type == NotifyType::cookie) {
        if (wish.data.empty() || wish.data.size() > 64) return false;
        setup.cookie = wish.data;
    } else {
        const auto wanted = wanted_group_in(wish);
        const auto group = wanted ? group_of(*wanted) : std::nullopt;
        const auto& ours = sa.options->policy.groups;
        if (!group || std::ranges::find(ours, *group) == ours.end() || *group == setup.key_exchange->group())
            return false;
        setup.key_exchange = KeyExchange::generate(*group, core.rng);
    }
    ++setup.tries;
    send(core, sa);
    return true;
}

/// A group that the peer insists on, and that is not ours.
std::string wanted_group_text(const IkeSa& sa, const NotifyPayload& error) {
    const auto wanted = wanted_group_in(error);
    if (!wanted) return "";
    std::string ours;
    for (const DhGroup group : sa.options->policy.groups) ours += (ours.empty() ? "" : ", ") + text_of(group);
    return ": it wants " + Transform{TransformType::key_exchange, *wanted}.name() + ", and ours are " + ours;
}

/// Errors may come from anybody: remembered as the likely cause, and the attempt ends soon rather than now.
void on_error(Core& core, IkeSa& sa, const NotifyPayload& error) {
    constexpr std::chrono::seconds kGrace{1};
    std::string text = "the peer answered IKE_SA_INIT with " + name_of(error.type);
    if (error.type == NotifyType::no_proposal_chosen) {
        text += ": it accepts none of our proposals, or has no connection for our address";
        core.remember(sa.peer(), {text_of(sa.setup->offered), "", text, ""});
    }
    if (error.type == NotifyType::invalid_ke_payload) text += wanted_group_text(sa, error);
    core.fail(sa.peer(), std::move(text));
    sa.leave_at = std::min(sa.leave_at.value_or(TimePoint::max()), core.now + kGrace);
    core.mark(sa);
}

/// The suite that was agreed on, if the response is one that we can go on with. Error: a sentence.
Result<IkeSuite, std::string> check(const IkeSa& sa, const Message& message) {
    const auto* answered = find<SaPayload>(message.payloads);
    const auto* ke = find<KeyExchangePayload>(message.payloads);
    if (answered == nullptr || ke == nullptr || find<NoncePayload>(message.payloads) == nullptr)
        return Unexpected(std::string("it lacks an SA, KE or Nonce payload"));
    if (raw(message.header.responder_spi) == 0) return Unexpected(std::string("its responder SPI is zero"));
    const auto chosen = accept_ike(sa.setup->offered, *answered);
    if (!chosen) return Unexpected(chosen.error());
    const DhGroup group = sa.setup->key_exchange->group();
    if (chosen->suite.group != group || ke->group != static_cast<std::uint16_t>(group))
        return Unexpected("it chose another group than " + text_of(group) + ", which we sent");
    return chosen->suite;
}

void float_to_nat_port(Core& core, IkeSa& sa) {
    if (!sa.in_udp || sa.floated) return;
    sa.floated = true;
    sa.local.port = core.options.nat_port;
    sa.remote.port = sa.options->remote_nat_port;
}

}  // namespace

IkeSa& begin(Core& core, const Peer& peer, const Endpoint& local, const Endpoint& remote) {
    auto sa = std::make_unique<IkeSa>(peer.options);
    sa->spis.initiator = core.fresh_ike_spi();
    sa->we_initiated = true;
    sa->local = local;
    sa->remote = remote;
    sa->born = core.now;
    sa->leave_at = core.now + peer.options->retransmission.attempt;
    sa->setup->own_nonce = core.fresh_nonce();
    sa->setup->offered = offer(peer.options->policy, std::nullopt);
    sa->setup->key_exchange = KeyExchange::generate(peer.options->policy.groups.front(), core.rng);
    IkeSa& added = core.add(std::move(sa));
    send(core, added);
    return added;
}

void on_response(Core& core, IkeSa& sa, const Message& message, Bytes datagram, const Path& path) {
    const bool awaited = sa.state == IkeState::init_sent &&
                         sa.exchanges.awaits(message.header.message_id, ExchangeType::ike_sa_init);
    if (!awaited) {
        ++core.counters.dropped;
        return;
    }
    for (const NotifyType wish : {NotifyType::cookie, NotifyType::invalid_ke_payload})
        if (const auto* found = find_notify(message.payloads, wish);
            found != nullptr && (is_fulfilled(*sa.setup, *found) || follow(core, sa, *found)))
            return;
    if (const auto* error = find_error(message.payloads)) return on_error(core, sa, *error);

    const auto suite = check(sa, message);
    if (!suite) return core.fail(sa.peer(), "the peer's IKE_SA_INIT response is no answer: " + suite.error());
    const auto shared = sa.setup->key_exchange->agree(find<KeyExchangePayload>(message.payloads)->data);
    if (!shared) return core.fail(sa.peer(), "the peer's key exchange data is refused: " + shared.error());

    sa.exchanges.on_answered();
    // An error that somebody sent before has not shortened what is left.
    sa.leave_at = sa.born + sa.options->retransmission.attempt;
    sa.suite = *suite;
    sa.spis.responder = message.header.responder_spi;
    sa.local.address = path.local.address;
    sa.setup->peer_nonce = find<NoncePayload>(message.payloads)->data;
    sa.setup->peer_init.assign(datagram.begin(), datagram.end());
    learn_capabilities(sa, message, path);
    float_to_nat_port(core, sa);
    derive_keys(sa, *shared);
    log_keys(core, sa);
    auth::begin(core, sa);
}

}  // namespace isthmus::crypto::ike::init
