#include <algorithm>

#include "crypto/esp/suite.h"
#include "crypto/ike/child.h"
#include "crypto/ike/jitter.h"
#include "crypto/ike/key_log.h"

namespace isthmus::crypto::ike::child {

namespace {

/// A deleted pair still opens what was under way when the peer switched over.
constexpr std::chrono::seconds kLate{5};
/// An answer of ours that is lost is asked for again within this time.
constexpr std::chrono::seconds kSettles{5};
/// 32-bit sequence numbers and AEAD's limits: new keys long before either runs out (RFC 4303 section 3.3.3).
constexpr std::uint64_t kShortSequenceLimit = 0xc000'0000;

/// Less up to so many percent at random: both sides would come to the same limit at the same time. 0 (no limit) stays.
std::uint64_t shortened(std::uint64_t limit, unsigned percent, Rng& rng) {
    const std::uint64_t most = limit * percent / 100;
    return most == 0 ? limit : limit - rng.u64() % (most + 1);
}

void set_lifetimes(Core& core, ChildSa& pair, const LifetimeOptions& lifetime) {
    const Duration least = lifetime.rekey * (100 - lifetime.jitter_percent) / 100;
    pair.rekey_at = core.now + least + random_below(lifetime.rekey - least, core.rng);
    pair.expires_at = core.now + lifetime.rekey * lifetime.hard_percent / 100;
    pair.packet_limit = shortened(lifetime.rekey_packets, lifetime.jitter_percent, core.rng);
    pair.byte_limit = shortened(lifetime.rekey_bytes, lifetime.jitter_percent, core.rng);
    const std::uint64_t most = pair.extended_sequence ? 0 : kShortSequenceLimit;
    if (most != 0) pair.packet_limit = pair.packet_limit == 0 ? most : std::min(pair.packet_limit, most);
}

esp::SaOptions sa_options(Spi spi, const ChildSuite& suite, SecretBytes key, std::uint32_t window) {
    esp::SaOptions options;
    options.spi = spi;
    options.suite = suite.esp;
    options.key = std::move(key);
    options.extended_sequence = suite.extended_sequence;
    options.replay_window = window;
    return options;
}

void log_keys(Core& core, const IkeSa& sa, const ChildUp& up) {
    if (!core.options.key_log) return;
    if (auto line = esp_key_line(sa.remote.address, sa.local.address, up.inbound))
        core.emit(std::move(*line));
    if (auto line = esp_key_line(sa.local.address, sa.remote.address, up.outbound))
        core.emit(std::move(*line));
}

/// The pair of the same child that carries its traffic now, under whichever IKE SA.
ChildSa* sending_pair(Core& core, std::string_view peer, std::string_view child) {
    for (IkeSa* sa : core.sas_of(peer))
        for (ChildSa& pair : sa->children)
            if (pair.sends && pair.name == child) return &pair;
    return nullptr;
}

/// A pair that sends no more leaves it to the newest one of the same child, under whichever IKE SA.
void hand_over_sending(Core& core, const IkeSa& sa, const ChildSa& pair) {
    if (!pair.sends) return;
    for (IkeSa* other : core.sas_of(sa.peer())) {
        ChildSa* next = other->is_up() ? other->live_child(pair.name) : nullptr;
        if (next != nullptr) return use(core, *other, *next);
    }
}

}  // namespace

ChildSa& install(Core& core, IkeSa& sa, const Agreement& agreement, const Making& making) {
    const ChildOptions* options = sa.child_options(agreement.name);
    const NoncePair nonces{making.initiator_nonce, making.responder_nonce};
    ChildKeys keys =
        derive_child_keys(sa.suite.prf, sa.keys.d, agreement.shared ? &*agreement.shared : nullptr, nonces,
                          agreement.suite.esp);
    ChildSa pair;
    pair.name = agreement.name;
    pair.inbound = agreement.inbound;
    pair.outbound = agreement.outbound;
    pair.suite = agreement.suite.esp;
    pair.extended_sequence = agreement.suite.extended_sequence;
    pair.suite_text = text_of(agreement.suite);
    pair.mode = agreement.mode;
    pair.local = agreement.local;
    pair.remote = agreement.remote;
    pair.made_by_us = making.by_us;
    pair.lowest_nonce = lower_nonce(making.initiator_nonce, making.responder_nonce);
    pair.replaces = making.replaces;
    pair.born = core.now;
    if (!making.by_us) pair.settled_at = core.now + kSettles;
    set_lifetimes(core, pair, options->lifetime);

    ChildSa* before = sending_pair(core, sa.peer(), pair.name);
    if (!pair.replaces && before != nullptr) pair.replaces = before->inbound;
    // Nothing sends yet: then the new pair does, ready or not.
    pair.sends = making.sends || before == nullptr;
    if (pair.sends && before != nullptr) before->sends = false;

    ChildUp up;
    up.peer = sa.peer();
    up.child = pair.name;
    up.inbound = sa_options(pair.inbound, agreement.suite,
                            making.by_us ? std::move(keys.from_responder) : std::move(keys.from_initiator),
                            options->replay_window);
    up.outbound = sa_options(pair.outbound, agreement.suite,
                             making.by_us ? std::move(keys.from_initiator) : std::move(keys.from_responder),
                             options->replay_window);
    up.mode = pair.mode;
    up.path = sa.esp_path();
    up.local_selectors = pair.local;
    up.remote_selectors = pair.remote;
    up.replaces = pair.replaces;
    up.use_outbound = pair.sends;
    log_keys(core, sa, up);
    core.emit(std::move(up));
    core.forget_mismatch(sa.peer(), pair.name);
    core.set_owner(pair.inbound, sa);
    core.mark(sa);
    core.mark_peer(sa.peer());
    return sa.children.emplace_back(std::move(pair));
}

void use(Core& core, IkeSa& sa, ChildSa& pair) {
    if (pair.sends) return;
    if (ChildSa* before = sending_pair(core, sa.peer(), pair.name)) before->sends = false;
    pair.sends = true;
    core.emit(UseOutbound{sa.peer(), pair.name, pair.inbound});
}

void remove(Core& core, IkeSa& sa, Spi inbound, ChildDownReason reason) {
    const auto found = std::ranges::find(sa.children, inbound, &ChildSa::inbound);
    if (found == sa.children.end()) return;
    found->state = ChildState::late;
    hand_over_sending(core, sa, *found);
    core.emit(ChildDown{sa.peer(), found->name, inbound, reason});
    core.release(inbound);
    sa.children.erase(found);
    core.mark(sa);
    core.mark_peer(sa.peer());
}

void retire(Core& core, IkeSa& sa, ChildSa& pair) {
    pair.state = ChildState::late;
    pair.leave_at = core.now + kLate;
    hand_over_sending(core, sa, pair);
    core.mark(sa);
    core.mark_peer(sa.peer());
}

void remove_all(Core& core, IkeSa& sa, ChildDownReason reason) {
    while (!sa.children.empty()) remove(core, sa, sa.children.front().inbound, reason);
}

Nonce lower_nonce(Bytes a, Bytes b) {
    const bool first = std::ranges::lexicographical_compare(a, b);
    const Bytes lower = first ? a : b;
    return {lower.begin(), lower.end()};
}

}  // namespace isthmus::crypto::ike::child
