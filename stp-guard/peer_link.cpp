#include "stp-guard/peer_link.h"

#include <algorithm>

namespace isthmus::stp_guard {

PeerLink::Outcome PeerLink::on_message(const GuardMessage& message, TimePoint now) {
    if (message.sender.domain != self_.domain) return Outcome::other_domain;
    if (message.sender.node == self_.node && message.boot_nonce == own_nonce_) return Outcome::our_own;
    if (message.nonce_echo != own_nonce_) {
        // A replayed message would make us greet a nonce of long ago: the real one is kept while it is alive.
        if (!present(now)) echo_ = message.boot_nonce;
        return message.boot_nonce == nonce_ ? Outcome::not_fresh : Outcome::answer_it;
    }
    if (message.boot_nonce != nonce_) {
        nonce_ = message.boot_nonce;
        last_seq_ = 0;
        entries_.clear();
    }
    if (message.seq <= last_seq_) return Outcome::not_fresh;
    last_seq_ = message.seq;
    echo_ = nonce_;
    identity_ = message.sender;
    refused_ = message.sender.node == self_.node || message.sender.site == self_.site;
    heard_at_ = now;
    tunnel_count_ = message.tunnel_count;
    port_ = message.port;
    if (refused_) return Outcome::refused;
    for (const VlanEntry& entry : message.vlans) entries_[entry.vid] = {entry, now};
    return Outcome::believed;
}

void PeerLink::on_link(bool up, TimePoint now) {
    link_since_ = up ? std::optional(now) : std::nullopt;
    entries_.clear();
}

bool PeerLink::undecided(TimePoint now) const {
    if (!link_since_ || present(now)) return false;
    if (!heard_at_) return now - *link_since_ < options_.peer_unheard;
    // The link may have come back long after the last word.
    return now - std::max(*heard_at_, *link_since_) < options_.peer_lost;
}

bool PeerLink::present(TimePoint now) const {
    return link_since_ && heard_at_ && *heard_at_ >= *link_since_ && now - *heard_at_ < kPresence;
}

std::optional<VlanEntry> PeerLink::entry(std::uint16_t vid, TimePoint now) const {
    const auto found = entries_.find(vid);
    if (found == entries_.end() || now - found->second.at >= kEntryLasts) return std::nullopt;
    return found->second.entry;
}

void PeerLink::expire(TimePoint now) {
    std::erase_if(entries_, [now](const auto& known) { return now - known.second.at >= kEntryLasts; });
}

}  // namespace isthmus::stp_guard
