#include <algorithm>

#include "crypto/ike/authentication.h"
#include "crypto/ike/credentials.h"
#include "crypto/ike/init.h"
#include "crypto/ike/init_common.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/negotiation.h"

// The responder's side of IKE_SA_INIT.

namespace isthmus::crypto::ike::init {

namespace {

/// An answer that leaves no state behind.
void refuse(Core& core, const Message& request, const Path& path, const Payload& answer) {
    Header header = request.header;
    header.from_initiator = false;
    header.is_response = true;
    header.higher_version = false;
    const std::vector<Payload> payloads{answer};
    transmit_back(core, path, {emit_message(header, payloads)});
}

/// Half-open IKE SAs with this initiator's SPI or address.
struct Crowd {
    IkeSa* same = nullptr;
    std::size_t from_address = 0;
};
Crowd crowd_around(Core& core, const Header& header, const Path& path) {
    Crowd crowd;
    for (auto& [spi, sa] : core.sas) {
        if (sa->we_initiated || sa->remote.address != path.remote.address) continue;
        if (sa->spis.initiator == header.initiator_spi && sa->remote == path.remote) crowd.same = sa.get();
        if (sa->state == IkeState::half_open) ++crowd.from_address;
    }
    return crowd;
}

/// True: the sender must come back with a cookie, and has been told so.
bool demand_cookie(Core& core, const Message& message, const Path& path) {
    if (!cookies_demanded(core)) return false;
    const auto* nonce = find<NoncePayload>(message.payloads);
    const IkeSpi spi = message.header.initiator_spi;
    const NotifyPayload* cookie = find_notify(message.payloads, NotifyType::cookie);
    if (cookie != nullptr &&
        core.cookies.is_ours(cookie->data, nonce->data, path.remote.address, spi, core.now))
        return false;
    ++core.counters.cookies_sent;
    refuse(core, message, path,
           notify(NotifyType::cookie, core.cookies.make(nonce->data, path.remote.address, spi, core.now)));
    return true;
}

struct Choice {
    const Peer* peer = nullptr;
    IkeChoice choice;
};
/// The first candidate that agrees with what is offered.
std::optional<Choice> choose_peer(Core& core, const std::vector<const Peer*>& all, const SaPayload& offered,
                                  std::uint16_t ke_group) {
    for (const Peer* peer : all) {
        auto chosen = choose(peer->options->policy, offered, ke_group);
        if (chosen) return Choice{peer, std::move(chosen).value()};
        if (peer->works()) continue;
        core.remember(peer->options->name, {text_of(offer(peer->options->policy, std::nullopt)),
                                            text_of(offered), chosen.error(), ""});
        if (core.complaints.allows(core.now)) core.fail(peer->options->name, chosen.error());
    }
    return std::nullopt;
}

/// Whoever is at this address is there: what we are trying with it ourselves may hurry.
void hasten_ours(Core& core, const Path& path) {
    for (auto& [spi, sa] : core.sas) {
        if (!sa->in_progress() || sa->remote.address != path.remote.address) continue;
        sa->exchanges.hasten(core.now);
        core.mark(*sa);
    }
}

/// All authorities by which any peer at this address may be certified: some peers send a certificate only if asked.
CertificateRequestPayload certificate_request_for(const Core& core, const Path& path) {
    CertificateRequestPayload request;
    for (const Peer* peer : candidates(core, path))
        for (const AuthorityHash& hash :
             certificate_request(peer->options->credentials->authorities).authorities)
            if (std::ranges::find(request.authorities, hash) == request.authorities.end())
                request.authorities.push_back(hash);
    return request;
}

std::vector<Payload> response_of(Core& core, IkeSa& sa, const IkeChoice& choice, const Path& path) {
    std::vector<Payload> payloads{
        answer(choice, std::nullopt),
        KeyExchangePayload{
            static_cast<std::uint16_t>(sa.suite.group),
            {sa.setup->key_exchange->public_value().begin(), sa.setup->key_exchange->public_value().end()}},
        NoncePayload{sa.setup->own_nonce},
    };
    append(payloads, capabilities(core, sa, path));
    if (auto request = certificate_request_for(core, path); !request.authorities.empty())
        payloads.emplace_back(std::move(request));
    if (sa.options->childless != Childless::never)
        payloads.push_back(notify(NotifyType::childless_ikev2_supported));
    return payloads;
}

void accept(Core& core, const Message& message, Bytes datagram, const Path& path, const Choice& chosen) {
    auto sa = std::make_unique<IkeSa>(chosen.peer->options);
    sa->spis = {message.header.initiator_spi, core.fresh_ike_spi()};
    sa->state = IkeState::half_open;
    sa->local = path.local;
    sa->remote = path.remote;
    sa->floated = path.local.port == core.options.nat_port;
    sa->suite = chosen.choice.suite;
    sa->born = core.now;
    sa->leave_at = core.now + core.options.half_open.life;
    sa->setup->own_nonce = core.fresh_nonce();
    sa->setup->peer_nonce = find<NoncePayload>(message.payloads)->data;
    sa->setup->key_exchange = KeyExchange::generate(sa->suite.group, core.rng);
    sa->setup->peer_init.assign(datagram.begin(), datagram.end());
    learn_capabilities(*sa, message, path);

    const auto shared = sa->setup->key_exchange->agree(find<KeyExchangePayload>(message.payloads)->data);
    if (!shared) {
        core.note(NoteLevel::debug, sa->peer(), "key exchange data refused: " + shared.error());
        refuse(core, message, path, notify(NotifyType::invalid_syntax));
        return;
    }
    derive_keys(*sa, *shared);
    Header header = message.header;
    header.responder_spi = sa->spis.responder;
    header.from_initiator = false;
    header.is_response = true;
    header.higher_version = false;
    sa->setup->own_init = emit_message(header, response_of(core, *sa, chosen.choice, path));
    IkeSa& added = core.add(std::move(sa));
    log_keys(core, added);
    transmit_back(core, path, {added.setup->own_init});
    added.exchanges.on_response_sent({added.setup->own_init});
}

}  // namespace

bool cookies_demanded(const Core& core) noexcept {
    return core.half_open >= core.options.half_open.cookies_from;
}

std::vector<const Peer*> candidates(const Core& core, const Path& path) {
    std::vector<const Peer*> exact;
    std::vector<const Peer*> any;
    for (const auto& [name, peer] : core.peers) {
        const PeerOptions& options = *peer.options;
        if (options.role == Role::initiator) continue;
        if (!options.local.is_unspecified() && options.local != path.local.address) continue;
        if (peer.is_at(path.remote.address))
            exact.push_back(&peer);
        else if (!IpAddress::parse(options.remote_host))
            any.push_back(&peer);  // no address given, or a name that may lead elsewhere by now
    }
    exact.insert(exact.end(), any.begin(), any.end());
    return exact;
}

void on_request(Core& core, const Message& message, Bytes datagram, const Path& path) {
    const auto* sa_payload = find<SaPayload>(message.payloads);
    const auto* ke = find<KeyExchangePayload>(message.payloads);
    const bool complete =
        sa_payload != nullptr && ke != nullptr && find<NoncePayload>(message.payloads) != nullptr;
    if (!complete || raw(message.header.message_id) != 0) {
        ++core.counters.dropped;
        return;
    }
    // Before any search through our SAs: this is all that a forged request costs us.
    if (demand_cookie(core, message, path)) return;
    hasten_ours(core, path);
    const Crowd crowd = crowd_around(core, message.header, path);
    if (crowd.same != nullptr) {
        const bool is_repeated =
            crowd.same->setup && std::ranges::equal(crowd.same->setup->peer_init, datagram);
        if (is_repeated) transmit_back(core, path, {crowd.same->setup->own_init});
        return;
    }
    const HalfOpenOptions& limits = core.options.half_open;
    if (core.half_open >= limits.most || crowd.from_address >= limits.most_per_address) {
        ++core.counters.dropped;
        return;
    }
    const auto all = candidates(core, path);
    if (all.empty() && core.complaints.allows(core.now))
        core.note(NoteLevel::warning, "",
                  "IKE_SA_INIT from " + path.remote.text() + ", which no configured peer has as its address");
    const auto chosen = choose_peer(core, all, *sa_payload, ke->group);
    if (!chosen) {
        refuse(core, message, path, notify(NotifyType::no_proposal_chosen));
        return;
    }
    const auto group = static_cast<std::uint16_t>(chosen->choice.suite.group);
    if (group != ke->group) {
        refuse(core, message, path, invalid_ke_notify(group));
        return;
    }
    accept(core, message, datagram, path, *chosen);
}

}  // namespace isthmus::crypto::ike::init
