// Where each tunnel's packets go.
#pragma once

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
        for (const auto& peer : peers) addresses_.push_back(peer ? SocketAddress(*peer) : SocketAddress());
    }
    /// Null: none.
    [[nodiscard]] const SocketAddress* find(TunnelIndex tunnel) const noexcept {
        if (raw(tunnel) >= addresses_.size() || addresses_[raw(tunnel)].size == 0) return nullptr;
        return &addresses_[raw(tunnel)];
    }

  private:
    std::vector<SocketAddress> addresses_;
};

}  // namespace isthmus::tunnel::io
