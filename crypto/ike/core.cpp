#include "crypto/ike/core.h"

namespace isthmus::crypto::ike {

namespace {

constexpr std::size_t kNonceSize = 32;
constexpr std::uint32_t kFirstEspSpi = 256;  // RFC 4303 section 2.1

}  // namespace

Core::Core(EngineOptions engine_options, Rng& random)
    : options(std::move(engine_options)), rng(random), cookies(random) {
    spis_in_use_.insert(options.taken_spis.begin(), options.taken_spis.end());
}

IkeSa& Core::add(std::unique_ptr<IkeSa> sa) {
    if (sa->state == IkeState::half_open) ++half_open;
    const IkeSpi own = sa->own_spi();
    IkeSa& added = *(sas[own] = std::move(sa));
    mark(added);
    return added;
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
    for (auto& [spi, sa] : sas) {
        const bool is_theirs = sa->state != IkeState::half_open && sa->state != IkeState::closed;
        if (is_theirs && sa->peer() == peer) all.push_back(sa.get());
    }
    return all;
}

void Core::set_state(IkeSa& sa, IkeState state) {
    if (sa.state == IkeState::half_open && state != IkeState::half_open) --half_open;
    sa.state = state;
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
        if (raw(spi) >= kFirstEspSpi && spis_in_use_.insert(spi).second) return spi;
    }
}

void Core::release(Spi inbound) {
    owners_.erase(inbound);
    spis_in_use_.erase(inbound);
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

}  // namespace isthmus::crypto::ike
