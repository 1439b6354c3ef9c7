#include "crypto/ike/negotiation.h"

#include <algorithm>
#include <array>
#include <span>

namespace isthmus::crypto::ike {

namespace {

// ---- What a proposal holds -------------------------------------------------------------------------------------

bool offers(const Proposal& proposal, const Transform& wanted) {
    return std::ranges::any_of(proposal.transforms,
                               [&](const Transform& t) { return t == wanted && !t.unknown_attribute; });
}
bool has_type(const Proposal& proposal, TransformType type) {
    return std::ranges::any_of(proposal.transforms, [type](const Transform& t) { return t.type == type; });
}
/// A type that is missing is as good as its "none" (RFC 7296 section 3.3.3).
bool offers_none(const Proposal& proposal, TransformType type) {
    return !has_type(proposal, type) || offers(proposal, {type, 0});
}

Transform encryption(EncryptionId id, std::uint16_t key_bits) {
    return {TransformType::encryption, raw(id), key_bits};
}
Transform integrity(IntegrityId id) {
    return {TransformType::integrity, raw(id)};
}
Transform prf_transform(Prf prf) {
    return {TransformType::prf, raw(prf)};
}
Transform group_transform(std::uint16_t group) {
    return {TransformType::key_exchange, group};
}
Transform sequence(bool extended) {
    return {TransformType::sequence_numbers, extended ? kExtendedSequence : kNoExtendedSequence};
}

void add_once(Proposal& proposal, const Transform& transform) {
    if (std::ranges::find(proposal.transforms, transform) == proposal.transforms.end())
        proposal.transforms.push_back(transform);
}

/// An ESP suite in the terms of IKE ciphers: its transforms are the same.
IkeCipher cipher_of(esp::Suite suite) {
    switch (suite) {
        case esp::Suite::aes128_gcm16: return {EncryptionId::aes_gcm16, 128, IntegrityId::none};
        case esp::Suite::aes256_gcm16: return {EncryptionId::aes_gcm16, 256, IntegrityId::none};
        case esp::Suite::chacha20_poly1305: return {EncryptionId::chacha20_poly1305, 0, IntegrityId::none};
        case esp::Suite::aes128_cbc_hmac_sha256_128:
            return {EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha256_128};
        case esp::Suite::aes256_cbc_hmac_sha256_128:
            return {EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha256_128};
        case esp::Suite::aes256_cbc_hmac_sha384_192:
            return {EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha384_192};
        case esp::Suite::aes256_cbc_hmac_sha512_256:
            return {EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha512_256};
    }
    return {};
}

bool offers_cipher(const Proposal& proposal, const IkeCipher& cipher) {
    if (!offers(proposal, encryption(cipher.encryption, cipher.key_bits))) return false;
    return cipher.is_aead() ? offers_none(proposal, TransformType::integrity)
                            : offers(proposal, integrity(cipher.integrity));
}

bool knows_all_types(const Proposal& proposal, std::span<const TransformType> types) {
    return std::ranges::all_of(proposal.transforms, [types](const Transform& t) {
        return std::ranges::find(types, t.type) != types.end();
    });
}

constexpr std::array kIkeTypes{TransformType::encryption, TransformType::prf, TransformType::integrity,
                               TransformType::key_exchange};
constexpr std::array kChildTypes{TransformType::encryption, TransformType::integrity,
                                 TransformType::key_exchange, TransformType::sequence_numbers};

// ---- Offers ----------------------------------------------------------------------------------------------------

/// Proposals whose encryption and integrity transforms multiply to exactly the wanted ciphers: all AEAD in one (they go with
/// no integrity), and one for each integrity of the others.
std::vector<Proposal> cipher_proposals(std::span<const IkeCipher> ciphers, ProtocolId protocol, AnySpi spi) {
    std::vector<Proposal> proposals;
    std::vector<IntegrityId> integrities;
    for (const IkeCipher& cipher : ciphers) {
        auto at = std::ranges::find(integrities, cipher.integrity);
        if (at == integrities.end()) {
            integrities.push_back(cipher.integrity);
            Proposal proposal;
            proposal.number = static_cast<std::uint8_t>(proposals.size() + 1);
            proposal.protocol = protocol;
            proposal.spi = spi;
            proposals.push_back(std::move(proposal));
            at = integrities.end() - 1;
        }
        Proposal& proposal = proposals[static_cast<std::size_t>(at - integrities.begin())];
        add_once(proposal, encryption(cipher.encryption, cipher.key_bits));
    }
    for (std::size_t i = 0; i < proposals.size(); ++i)
        if (integrities[i] != IntegrityId::none) proposals[i].transforms.push_back(integrity(integrities[i]));
    return proposals;
}

bool accepts_none(const ChildPolicy& policy) {
    return policy.forward_secrecy != ForwardSecrecy::required || policy.groups.empty();
}

// ---- The words for a mismatch ----------------------------------------------------------------------------------

std::string names(std::span<const Proposal> proposals, TransformType type) {
    std::vector<std::string> seen;
    std::string out;
    for (const Proposal& proposal : proposals) {
        for (const Transform& t : proposal.transforms) {
            if (t.type != type || std::ranges::find(seen, t.name()) != seen.end()) continue;
            seen.push_back(t.name());
            out += (out.empty() ? "" : ", ") + t.name();
        }
    }
    return out.empty() ? "none" : out;
}

bool overlap(std::span<const Proposal> ours, std::span<const Proposal> theirs, TransformType type) {
    const auto without = [type](const Proposal& p) { return offers_none(p, type); };
    if (std::ranges::any_of(ours, without) && std::ranges::any_of(theirs, without)) return true;
    for (const Proposal& mine : ours)
        for (const Transform& t : mine.transforms)
            if (t.type == type &&
                std::ranges::any_of(theirs, [&t](const Proposal& p) { return offers(p, t); }))
                return true;
    return false;
}

std::string explain_mismatch(const SaPayload& ours, const SaPayload& theirs,
                             std::span<const TransformType> types) {
    std::string why;
    for (const TransformType type : types) {
        if (overlap(ours.proposals, theirs.proposals, type)) continue;
        why += (why.empty() ? "" : "; ") + name_of(type) + ": we accept " + names(ours.proposals, type) +
               ", the peer offers " + names(theirs.proposals, type);
    }
    if (why.empty()) why = "each algorithm has a match, but no proposal of the peer has them all";
    return "no proposal in common (" + why + "). Ours: " + text_of(ours) + ". The peer's: " + text_of(theirs);
}

// ---- Choices ---------------------------------------------------------------------------------------------------

/// The groups of ours that a proposal offers: the one of the KE payload first.
std::optional<DhGroup> choose_group(const Proposal& proposal, std::span<const DhGroup> groups,
                                    std::optional<std::uint16_t> ke_group) {
    std::optional<DhGroup> best;
    for (const DhGroup group : groups) {
        if (!offers(proposal, group_transform(raw(group)))) continue;
        if (ke_group == raw(group)) return group;
        if (!best) best = group;
    }
    return best;
}

std::optional<Prf> choose_prf(const Proposal& proposal, std::span<const Prf> prfs) {
    for (const Prf prf : prfs)
        if (offers(proposal, prf_transform(prf))) return prf;
    return std::nullopt;
}

std::optional<IkeChoice> choose_from(const Proposal& proposal, const IkeCipher& cipher,
                                     const IkePolicy& policy, std::optional<std::uint16_t> ke_group) {
    if (proposal.protocol != ProtocolId::ike || !knows_all_types(proposal, kIkeTypes)) return std::nullopt;
    if (!offers_cipher(proposal, cipher)) return std::nullopt;
    const auto prf = choose_prf(proposal, policy.prfs);
    const auto group = choose_group(proposal, policy.groups, ke_group);
    if (!prf || !group) return std::nullopt;
    const auto* spi = std::get_if<IkeSpi>(&proposal.spi);
    return IkeChoice{{cipher, *prf, *group}, proposal.number, spi != nullptr ? *spi : IkeSpi{}};
}

std::optional<bool> choose_sequence(const Proposal& proposal, SequenceNumbers policy) {
    const bool extended = policy != SequenceNumbers::short_only && offers(proposal, sequence(true));
    if (extended) return true;
    if (policy == SequenceNumbers::extended_required) return std::nullopt;
    if (offers_none(proposal, TransformType::sequence_numbers)) return false;
    return std::nullopt;
}

struct GroupChoice {
    bool acceptable = false;
    std::optional<DhGroup> group;
};
GroupChoice choose_child_group(const Proposal& proposal, const ChildPolicy& policy, ChildExchange exchange,
                               std::optional<std::uint16_t> ke_group) {
    const bool without = offers_none(proposal, TransformType::key_exchange);
    // IKE_AUTH's keys come from IKE_SA_INIT's exchange. Some initiators name groups all the same: they are for later.
    if (exchange == ChildExchange::ike_auth) return {true, std::nullopt};
    if (policy.forward_secrecy != ForwardSecrecy::off) {
        const auto group = choose_group(proposal, policy.groups, ke_group);
        const bool costs_nothing = group && ke_group == raw(*group);
        if (group && (costs_nothing || !without || !accepts_none(policy))) return {true, group};
    }
    return {without && accepts_none(policy), std::nullopt};
}

std::optional<ChildChoice> choose_from(const Proposal& proposal, esp::Suite suite, const ChildPolicy& policy,
                                       ChildExchange exchange, std::optional<std::uint16_t> ke_group) {
    if (proposal.protocol != ProtocolId::esp || !knows_all_types(proposal, kChildTypes)) return std::nullopt;
    const auto* spi = std::get_if<Spi>(&proposal.spi);
    if (spi == nullptr || !offers_cipher(proposal, cipher_of(suite))) return std::nullopt;
    const auto extended = choose_sequence(proposal, policy.sequence_numbers);
    const GroupChoice group = choose_child_group(proposal, policy, exchange, ke_group);
    if (!extended || !group.acceptable) return std::nullopt;
    return ChildChoice{{suite, *extended, group.group}, proposal.number, *spi};
}

// ---- Answers ---------------------------------------------------------------------------------------------------

void add_cipher(Proposal& proposal, const IkeCipher& cipher) {
    proposal.transforms.push_back(encryption(cipher.encryption, cipher.key_bits));
    if (!cipher.is_aead()) proposal.transforms.push_back(integrity(cipher.integrity));
}

/// The one proposal of an answer, if it is a subset of the offered one with its number. An integrity or key exchange of
/// "none" may be written or left out.
Result<Proposal, std::string> check_subset(const SaPayload& offered, const SaPayload& answered) {
    const auto fail = [&](const std::string& what) {
        return Unexpected("the peer's choice is not one of our proposals: " + what +
                          ". Ours: " + text_of(offered) + ". The peer's: " + text_of(answered));
    };
    if (answered.proposals.size() != 1)
        return fail("it has " + std::to_string(answered.proposals.size()) + " proposals instead of one");
    const Proposal& chosen = answered.proposals.front();
    const auto ours = std::ranges::find(offered.proposals, chosen.number, &Proposal::number);
    if (ours == offered.proposals.end()) return fail("we offered no number " + std::to_string(chosen.number));
    if (chosen.protocol != ours->protocol) return fail("it is for another protocol");
    if (chosen.spi.index() != ours->spi.index()) return fail("its SPI has another size");
    for (const Transform& t : chosen.transforms) {
        const bool none = t.id == 0 && t.key_bits == 0 && !has_type(*ours, t.type);
        if (!none && !offers(*ours, t)) return fail(t.name() + " was not offered");
        if (std::ranges::count(chosen.transforms, t.type, &Transform::type) > 1)
            return fail("it has more than one " + name_of(t.type));
    }
    for (const Transform& t : ours->transforms)
        if (!has_type(chosen, t.type) && !offers_none(*ours, t.type))
            return fail("it has no " + name_of(t.type));
    return chosen;
}

const Transform* transform_in(const Proposal& proposal, TransformType type) {
    const auto found = std::ranges::find(proposal.transforms, type, &Transform::type);
    return found == proposal.transforms.end() ? nullptr : &*found;
}

IkeCipher cipher_in(const Proposal& proposal) {
    IkeCipher cipher;
    if (const auto* t = transform_in(proposal, TransformType::encryption)) {
        cipher.encryption = EncryptionId{t->id};
        cipher.key_bits = t->key_bits;
    }
    if (const auto* t = transform_in(proposal, TransformType::integrity))
        cipher.integrity = IntegrityId{t->id};
    return cipher;
}

std::optional<DhGroup> group_in(const Proposal& proposal) {
    const auto* t = transform_in(proposal, TransformType::key_exchange);
    return t == nullptr ? std::nullopt : group_of(t->id);
}

}  // namespace

SaPayload offer(const IkePolicy& policy, std::optional<IkeSpi> spi) {
    SaPayload sa;
    sa.proposals = cipher_proposals(policy.ciphers, ProtocolId::ike, spi ? AnySpi(*spi) : AnySpi());
    for (Proposal& proposal : sa.proposals) {
        for (const Prf prf : policy.prfs) proposal.transforms.push_back(prf_transform(prf));
        for (const DhGroup group : policy.groups) proposal.transforms.push_back(group_transform(raw(group)));
    }
    return sa;
}

SaPayload offer(const ChildPolicy& policy, Spi spi, ChildExchange exchange) {
    std::vector<IkeCipher> ciphers;
    for (const esp::Suite suite : policy.suites) ciphers.push_back(cipher_of(suite));
    SaPayload sa;
    sa.proposals = cipher_proposals(ciphers, ProtocolId::esp, spi);
    const bool with_groups = exchange == ChildExchange::create_child_sa &&
                             policy.forward_secrecy != ForwardSecrecy::off && !policy.groups.empty();
    for (Proposal& proposal : sa.proposals) {
        if (with_groups) {
            for (const DhGroup group : policy.groups)
                proposal.transforms.push_back(group_transform(raw(group)));
            if (accepts_none(policy)) proposal.transforms.push_back(group_transform(kNoKeyExchange));
        }
        if (policy.sequence_numbers != SequenceNumbers::short_only)
            proposal.transforms.push_back(sequence(true));
        if (policy.sequence_numbers != SequenceNumbers::extended_required)
            proposal.transforms.push_back(sequence(false));
    }
    return sa;
}

Result<IkeChoice, std::string> choose(const IkePolicy& policy, const SaPayload& offered,
                                      std::optional<std::uint16_t> ke_group) {
    std::optional<IkeChoice> best;
    for (const IkeCipher& cipher : policy.ciphers) {
        for (const Proposal& proposal : offered.proposals) {
            const auto choice = choose_from(proposal, cipher, policy, ke_group);
            if (!choice) continue;
            if (!ke_group || raw(choice->suite.group) == *ke_group) return *choice;
            if (!best) best = choice;
        }
        if (best) return *best;
    }
    return Unexpected(explain_mismatch(offer(policy, std::nullopt), offered, kIkeTypes));
}

Result<ChildChoice, std::string> choose(const ChildPolicy& policy, const SaPayload& offered,
                                        ChildExchange exchange, std::optional<std::uint16_t> ke_group) {
    for (const esp::Suite suite : policy.suites)
        for (const Proposal& proposal : offered.proposals)
            if (const auto choice = choose_from(proposal, suite, policy, exchange, ke_group)) return *choice;
    return Unexpected(explain_mismatch(offer(policy, Spi{}, exchange), offered, kChildTypes));
}

SaPayload answer(const IkeChoice& choice, std::optional<IkeSpi> spi) {
    Proposal proposal;
    proposal.number = choice.number;
    proposal.protocol = ProtocolId::ike;
    if (spi) proposal.spi = *spi;
    add_cipher(proposal, choice.suite.cipher);
    proposal.transforms.push_back(prf_transform(choice.suite.prf));
    proposal.transforms.push_back(group_transform(raw(choice.suite.group)));
    return {{std::move(proposal)}};
}

SaPayload answer(const ChildChoice& choice, Spi spi) {
    Proposal proposal;
    proposal.number = choice.number;
    proposal.protocol = ProtocolId::esp;
    proposal.spi = spi;
    add_cipher(proposal, cipher_of(choice.suite.esp));
    if (choice.suite.group) proposal.transforms.push_back(group_transform(raw(*choice.suite.group)));
    proposal.transforms.push_back(sequence(choice.suite.extended_sequence));
    return {{std::move(proposal)}};
}

Result<IkeChoice, std::string> accept_ike(const SaPayload& offered, const SaPayload& answered) {
    auto chosen = check_subset(offered, answered);
    if (!chosen) return Unexpected(std::move(chosen).error());
    const auto group = group_in(*chosen);
    const auto* prf = transform_in(*chosen, TransformType::prf);
    if (!group || prf == nullptr) return Unexpected("the peer's choice is incomplete: " + text_of(answered));
    const auto* spi = std::get_if<IkeSpi>(&chosen->spi);
    return IkeChoice{
        {cipher_in(*chosen), Prf{prf->id}, *group}, chosen->number, spi != nullptr ? *spi : IkeSpi{}};
}

Result<ChildChoice, std::string> accept_child(const SaPayload& offered, const SaPayload& answered) {
    auto chosen = check_subset(offered, answered);
    if (!chosen) return Unexpected(std::move(chosen).error());
    const IkeCipher cipher = cipher_in(*chosen);
    const auto suite = std::ranges::find_if(
        esp::kAllSuites, [&cipher](esp::Suite candidate) { return cipher_of(candidate) == cipher; });
    const auto* spi = std::get_if<Spi>(&chosen->spi);
    if (suite == esp::kAllSuites.end() || spi == nullptr)
        return Unexpected("the peer's choice is incomplete: " + text_of(answered));
    const auto* numbers = transform_in(*chosen, TransformType::sequence_numbers);
    const bool extended = numbers != nullptr && numbers->id == kExtendedSequence;
    return ChildChoice{{*suite, extended, group_in(*chosen)}, chosen->number, *spi};
}

std::string text_of(const SaPayload& sa) {
    std::string out;
    for (const Proposal& proposal : sa.proposals) {
        if (!out.empty()) out += "; ";
        out += std::to_string(proposal.number) + ": " + text_of(proposal);
    }
    return out;
}

}  // namespace isthmus::crypto::ike
