#include <algorithm>

#include "crypto/ike/child.h"
#include "crypto/ike/messages.h"

namespace isthmus::crypto::ike::child {

namespace {

std::optional<std::uint16_t> group_in(std::span<const Payload> payloads) {
    const auto* ke = find<KeyExchangePayload>(payloads);
    return ke != nullptr ? std::optional(ke->group) : std::nullopt;
}

/// What we want on both sides, with our ends of the IKE SA where the options name no addresses.
struct Wanted {
    Selectors local;
    Selectors remote;
};
Wanted wanted_by(const IkeSa& sa, const ChildOptions& options) {
    return {selectors_of(options.local, sa.local.address), selectors_of(options.remote, sa.remote.address)};
}

/// Both ends' selectors as the peer sent them, from our point of view. In transport mode a NAT's address in them means
/// the end behind that NAT (RFC 7296 section 2.23.1).
Wanted received(const IkeSa& sa, esp::Mode mode, std::span<const Payload> payloads, bool we_began) {
    Selectors initiators = find<TsInitiatorPayload>(payloads)->selectors;
    Selectors responders = find<TsResponderPayload>(payloads)->selectors;
    Wanted all{we_began ? std::move(initiators) : std::move(responders),
               we_began ? std::move(responders) : std::move(initiators)};
    if (mode != esp::Mode::transport || !sa.nat.any()) return all;
    // As initiator we take either way of answering: with our addresses or with the NATs'.
    if (sa.nat.local_behind || we_began)
        all.local = with_actual_address(std::move(all.local), sa.local.address);
    if (sa.nat.remote_behind || we_began)
        all.remote = with_actual_address(std::move(all.remote), sa.remote.address);
    return all;
}

bool has_selectors(std::span<const Payload> payloads) {
    return find<TsInitiatorPayload>(payloads) != nullptr && find<TsResponderPayload>(payloads) != nullptr;
}

Result<std::optional<SecretBytes>, std::string> agree_on_key(const std::optional<KeyExchange>& ours,
                                                             std::optional<DhGroup> group,
                                                             std::span<const Payload> payloads) {
    if (!group) return std::optional<SecretBytes>();
    const auto* ke = find<KeyExchangePayload>(payloads);
    if (ke == nullptr || !ours || ours->group() != *group || ke->group != static_cast<std::uint16_t>(*group))
        return Unexpected("there is no key exchange with " + text_of(*group) + ", which was agreed on");
    auto shared = ours->agree(ke->data);
    if (!shared) return Unexpected(shared.error());
    return std::optional(std::move(shared).value());
}

Refused refused(NotifyType type, std::string why) {
    return {NotifyPayload{type, {}}, std::move(why)};
}

}  // namespace

std::optional<DhGroup> first_group(const IkeSa& sa, const ChildOptions& options) {
    const ChildPolicy& policy = options.policy;
    if (policy.forward_secrecy == ForwardSecrecy::off || policy.groups.empty()) return std::nullopt;
    // The peer has shown that it takes the IKE SA's group.
    const bool has_it = std::ranges::find(policy.groups, sa.suite.group) != policy.groups.end();
    return has_it ? sa.suite.group : policy.groups.front();
}

ChildOffer make_offer(Core& core, const IkeSa& sa, const ChildOptions& options, ChildExchange exchange,
                      std::optional<Spi> rekeys, std::optional<DhGroup> group) {
    ChildOffer made;
    made.child = options.name;
    made.inbound = core.fresh_esp_spi();
    made.rekeys = rekeys;
    made.offered = offer(options.policy, made.inbound, exchange);
    made.nonce = exchange == ChildExchange::ike_auth ? sa.setup->own_nonce : core.fresh_nonce();
    if (group) made.key_exchange = KeyExchange::generate(*group, core.rng);
    return made;
}

std::vector<Payload> payloads_of(const IkeSa& sa, const ChildOffer& offer, ChildExchange exchange) {
    std::vector<Payload> payloads;
    const ChildOptions& options = *sa.child_options(offer.child);
    if (options.mode == esp::Mode::transport) payloads.push_back(notify(NotifyType::use_transport_mode));
    payloads.push_back(offer.offered);
    if (exchange == ChildExchange::create_child_sa) payloads.push_back(NoncePayload{offer.nonce});
    if (offer.key_exchange) {
        const Bytes value = offer.key_exchange->public_value();
        payloads.push_back(KeyExchangePayload{static_cast<std::uint16_t>(offer.key_exchange->group()),
                                              {value.begin(), value.end()}});
    }
    const Wanted wanted = wanted_by(sa, options);
    payloads.push_back(TsInitiatorPayload{wanted.local});
    payloads.push_back(TsResponderPayload{wanted.remote});
    return payloads;
}

Result<Agreement, std::string> accept(const IkeSa& sa, const ChildOffer& offer, ChildExchange exchange,
                                      std::span<const Payload> payloads) {
    const auto* answered = find<SaPayload>(payloads);
    if (answered == nullptr || !has_selectors(payloads))
        return Unexpected(std::string("the response lacks an SA, TSi or TSr payload"));
    if (exchange == ChildExchange::create_child_sa && find<NoncePayload>(payloads) == nullptr)
        return Unexpected(std::string("the response lacks a Nonce payload"));
    auto choice = accept_child(offer.offered, *answered);
    if (!choice) return Unexpected(choice.error());
    if (std::ranges::find(offer.deleted, choice->peer_spi) != offer.deleted.end())
        return Unexpected(std::string("the peer has deleted the pair before its answer came"));
    const ChildOptions& options = *sa.child_options(offer.child);
    const bool transport = find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
    if (transport != (options.mode == esp::Mode::transport))
        return Unexpected(std::string(transport ? "the peer chose transport mode, we asked for tunnel mode"
                                                : "the peer chose tunnel mode, we asked for transport mode"));
    const Wanted theirs = received(sa, options.mode, payloads, true);
    const Wanted ours = wanted_by(sa, options);
    if (theirs.local.empty() || theirs.remote.empty() || !covers(ours.local, theirs.local) ||
        !covers(ours.remote, theirs.remote))
        return Unexpected("the peer answered with traffic selectors that we did not offer: " +
                          text_of(theirs.local) + " and " + text_of(theirs.remote));
    auto shared = agree_on_key(offer.key_exchange, choice->suite.group, payloads);
    if (!shared) return Unexpected(shared.error());
    return Agreement{offer.child,   choice->suite, options.mode,     theirs.local,
                     theirs.remote, offer.inbound, choice->peer_spi, std::move(shared).value()};
}

std::string refusal_text(Core& core, const IkeSa& sa, const ChildOffer& offer, const NotifyPayload& error) {
    std::string text = "the peer refused child " + offer.child + " with " + name_of(error.type);
    const ChildOptions* options = sa.child_options(offer.child);
    if (options == nullptr) return text;
    if (error.type == NotifyType::ts_unacceptable) {
        const Wanted ours = wanted_by(sa, *options);
        text += ": its traffic selectors have nothing in common with ours, " + text_of(ours.local) + " and " +
                text_of(ours.remote);
    }
    if (error.type == NotifyType::no_proposal_chosen) {
        const bool transport = options->mode == esp::Mode::transport;
        text += std::string(": it accepts none of our proposals, or not ") +
                (transport ? "transport" : "tunnel") + " mode";
        core.remember(sa.peer(), {text_of(offer.offered), "", text, offer.child});
    }
    return text;
}

namespace {

/// A child of ours that fits what the peer asks for.
struct Fit {
    const ChildOptions* options = nullptr;
    Selectors local;
    Selectors remote;
};
Result<Fit, Refused> find_fit(const IkeSa& sa, std::span<const Payload> payloads,
                              std::optional<std::string_view> only) {
    const bool asks_transport = find_notify(payloads, NotifyType::use_transport_mode) != nullptr;
    std::string wrong_mode;
    std::string ours_text;
    for (const ChildOptions& options : sa.options->children) {
        if (only && options.name != *only) continue;
        if (options.mode == esp::Mode::transport && !asks_transport) {
            wrong_mode = "the peer asks for tunnel mode, " + options.name + " is in transport mode";
            continue;
        }
        const Wanted theirs = received(sa, options.mode, payloads, false);
        const Wanted ours = wanted_by(sa, options);
        Fit fit{&options, narrow(ours.local, theirs.local), narrow(ours.remote, theirs.remote)};
        if (!fit.local.empty() && !fit.remote.empty()) return fit;
        ours_text += (ours_text.empty() ? "" : "; ") + options.name + ": " + text_of(ours.local) + " and " +
                     text_of(ours.remote);
    }
    if (ours_text.empty() && !wrong_mode.empty())
        return Unexpected(refused(NotifyType::no_proposal_chosen, wrong_mode));
    const Wanted asked = received(sa, esp::Mode::tunnel, payloads, false);
    return Unexpected(refused(NotifyType::ts_unacceptable,
                              "no common traffic selectors: the peer offers " + text_of(asked.local) +
                                  " and " + text_of(asked.remote) + ", ours are " + ours_text));
}

std::vector<Payload> reply_with(Core& core, const Agreement& agreement, const ChildChoice& choice,
                                const KeyExchange* own, ChildExchange exchange) {
    std::vector<Payload> reply;
    if (agreement.mode == esp::Mode::transport) reply.push_back(notify(NotifyType::use_transport_mode));
    reply.push_back(answer(choice, agreement.inbound));
    if (exchange == ChildExchange::create_child_sa) reply.push_back(NoncePayload{core.fresh_nonce()});
    if (own != nullptr)
        reply.push_back(KeyExchangePayload{static_cast<std::uint16_t>(own->group()),
                                           {own->public_value().begin(), own->public_value().end()}});
    reply.push_back(TsInitiatorPayload{agreement.remote});
    reply.push_back(TsResponderPayload{agreement.local});
    return reply;
}

}  // namespace

Result<Agreed, Refused> agree(Core& core, IkeSa& sa, ChildExchange exchange,
                              std::span<const Payload> payloads, std::optional<std::string_view> only) {
    const auto* offered = find<SaPayload>(payloads);
    if (offered == nullptr || !has_selectors(payloads))
        return Unexpected(refused(NotifyType::invalid_syntax, "the request lacks an SA, TSi or TSr payload"));
    if (exchange == ChildExchange::create_child_sa && find<NoncePayload>(payloads) == nullptr)
        return Unexpected(refused(NotifyType::invalid_syntax, "the request lacks a Nonce payload"));
    auto fit = find_fit(sa, payloads, only);
    if (!fit) return Unexpected(std::move(fit).error());
    const auto choice = choose(fit->options->policy, *offered, exchange, group_in(payloads));
    if (!choice) {
        core.remember(sa.peer(), {text_of(ike::offer(fit->options->policy, Spi{0}, exchange)),
                                  text_of(*offered), choice.error(), fit->options->name});
        return Unexpected(refused(NotifyType::no_proposal_chosen, choice.error()));
    }
    std::optional<KeyExchange> own;
    if (const auto group = choice->suite.group) {
        if (group_in(payloads) != static_cast<std::uint16_t>(*group))
            return Unexpected(
                Refused{invalid_ke_notify(static_cast<std::uint16_t>(*group)),
                        "the peer's key exchange data is for another group than " + text_of(*group)});
        own = KeyExchange::generate(*group, core.rng);
    }
    auto shared = agree_on_key(own, choice->suite.group, payloads);
    if (!shared) return Unexpected(refused(NotifyType::invalid_syntax, shared.error()));
    Agreement agreement{
        fit->options->name,     choice->suite,        fit->options->mode, std::move(fit->local),
        std::move(fit->remote), core.fresh_esp_spi(), choice->peer_spi,   std::move(shared).value()};
    auto reply = reply_with(core, agreement, *choice, own ? &*own : nullptr, exchange);
    return Agreed{std::move(agreement), std::move(reply)};
}

}  // namespace isthmus::crypto::ike::child
