#include "crypto/ike/core.h"

#include <utility>

namespace isthmus::crypto::ike {

namespace {

constexpr std::size_t kNonceSize = 32;
constexpr std::uint32_t kFirstEspSpi = 256;  // RFC 4303 section 2.1

}  // namespace

Core::Core(EngineOptions engine_options, Rng& random)
    : options(std::move(engine_options)), rng(random), cookies(random) {}

IkeSa& Core::add(std::unique_ptr<IkeSa> sa) {
    if (sa->state == IkeState::half_open) ++half_open;
    const IkeSpi own = sa->own_spi();
    IkeSa& added = *(sas[own] = std::move(sa));
    if (added.state != IkeState::half_open) index(added);
    mark(added);
    return added;
}

void Core::erase(const IkeSa& sa) {
    if (const auto theirs = by_peer_.find(sa.peer()); theirs != by_peer_.end()) {
        theirs->second.erase(sa.own_spi());
        if (theirs->second.empty()) by_peer_.erase(theirs);
    }
    sas.erase(sa.own_spi());
}

IkeSa* Core::sa_with(IkeSpi own_spi) noexcept {
    const auto found = sas.find(own_spi);
    return found == sas.end() ? nullptr : found->second.get();
}

IkeSa* Core::owner_of(Spi inbound) noexcept {
    const auto found = owners_.find(inbound);
    return found == owners_.end() ? nullptr : sa_with(found->second);
}

std::vector<IkeSa*> Core::sas_of(std::string_view peer) {
    std::vector<IkeSa*> all;
    for (const IkeSa* sa : std::as_const(*this).sas_of(peer)) all.push_back(sa_with(sa->own_spi()));
    return all;
}

std::vector<const IkeSa*> Core::sas_of(std::string_view peer) const {
    std::vector<const IkeSa*> all;
    const auto theirs = by_peer_.find(peer);
    if (theirs == by_peer_.end()) return all;
    for (const IkeSpi own : theirs->second) {
        const auto found = sas.find(own);
        if (found != sas.end() && found->second->state != IkeState::closed)
            all.push_back(found->second.get());
    }
    return all;
}

void Core::set_state(IkeSa& sa, IkeState state) {
    const bool was_half_open = sa.state == IkeState::half_open;
    if (was_half_open && state != IkeState::half_open) --half_open;
    sa.state = state;
    if (was_half_open && state == IkeState::established) index(sa);
    mark(sa);
}

Peer* Core::peer_named(std::string_view name) noexcept {
    const auto found = peers.find(name);
    return found == peers.end() ? nullptr : &found->second;
}

IkeSpi Core::fresh_ike_spi() {
    for (;;) {
        const IkeSpi spi{rng.u64()};
        if (raw(spi) != 0 && !sas.contains(spi)) return spi;
    }
}

Spi Core::fresh_esp_spi() {
    for (;;) {
        const Spi spi{rng.u32()};
        const bool is_free = raw(spi) >= kFirstEspSpi && !reserved_spis.contains(spi);
        if (!is_free || !spis_in_use_.insert(spi).second) continue;
        emit(ExpectEsp{spi});
        return spi;
    }
}

void Core::release(Spi inbound) {
    owners_.erase(inbound);
    if (spis_in_use_.erase(inbound) != 0) emit(ForgetEsp{inbound});
}

Nonce Core::fresh_nonce() {
    Nonce nonce(kNonceSize);
    rng.fill(nonce);
    return nonce;
}

void Core::note(NoteLevel level, std::string_view peer, std::string text) {
    emit(Note{level, std::string(peer), std::move(text)});
}

void Core::fail(std::string_view peer, std::string text) {
    if (Peer* known = peer_named(peer)) known->last_error = Peer::Failure{text, now};
    note(NoteLevel::warning, peer, std::move(text));
}

void Core::remember(std::string_view peer, MismatchSnapshot mismatch) {
    Peer* known = peer_named(peer);
    if (known == nullptr) return;
    const bool is_same = known->mismatch && known->mismatch->child == mismatch.child;
    if (is_same && mismatch.theirs.empty()) mismatch.theirs = std::move(known->mismatch->theirs);
    known->mismatch = std::move(mismatch);
}

void Core::forget_mismatch(std::string_view peer, std::string_view child) {
    Peer* known = peer_named(peer);
    if (known != nullptr && known->mismatch && known->mismatch->child == child) known->mismatch.reset();
}

}  // namespace isthmus::crypto::ike
