// Where each tunnel's packets go.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "tunnel/io/socket_address.h"

namespace isthmus::tunnel::io {

/// Immutable, by TunnelIndex. Control makes a new one when a peer moves (NAT, MOBIKE).
class PeerTable {
  public:
    PeerTable() = default;
    /// nullopt: not a tunnel of this socket.
    explicit PeerTable(const std::vector<std::optional<Endpoint>>& peers) {
        const auto is_there = [](const auto& peer) { return peer.has_value(); };
        const auto first = std::find_if(peers.begin(), peers.end(), is_there);
        const auto last = std::find_if(peers.rbegin(), std::make_reverse_iterator(first), is_there).base();
        first_ = static_cast<std::uint32_t>(first - peers.begin());
        for (auto peer = first; peer != last; ++peer)
            addresses_.push_back(*peer ? SocketAddress(**peer) : SocketAddress());
    }
    /// Null: none.
    [[nodiscard]] const SocketAddress* find(TunnelIndex tunnel) const noexcept {
        const std::uint32_t at = raw(tunnel) - first_;  // wraps around below the first
        if (at >= addresses_.size() || addresses_[at].size == 0) return nullptr;
        return &addresses_[at];
    }

  private:
    std::uint32_t first_ = 0;               ///< the first tunnel that has a peer here
    std::vector<SocketAddress> addresses_;  ///< up to the last one: often a socket serves one of many tunnels
};

}  // namespace isthmus::tunnel::io
