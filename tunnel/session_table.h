// What the datapath knows of tunnels and sessions: an immutable snapshot that control builds and workers
// read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/ids.h"
#include "base/result.h"
#include "tunnel/data_header.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

/// One tunnel as control describes it. Counters belong to control, outlive the table and may be null; they
/// count L2TPv3 messages, from the L2TP header on.
struct TunnelEntry {
    TunnelIndex index{};
    TunnelOptions options;      ///< remote_port 0: any (a peer behind NAT)
    bool is_protected = false;  ///< carried in ESP: packets that did not come through ESP are refused
    TrafficCounters* out = nullptr;
    TrafficCounters* in = nullptr;
};

/// One session as control describes it. Counters as above; they count Ethernet frames as they are in the
/// tunnel.
struct SessionEntry {
    SessionIndex index{};
    TunnelIndex tunnel{};
    SessionOptions options;
    /// Also accepted on receipt, while cookies are being changed; of the same size as options.local_cookie.
    std::optional<Cookie> other_local_cookie;
    /// Also received with, while Session IDs are being changed.
    std::optional<SessionId> other_local_id;
    /// Largest frame that may enter the tunnel, in bytes, Ethernet header and tags included (see
    /// base/mtu_budget.h).
    std::size_t max_frame = 0xffff;
    bool up = true;  ///< false: both directions drop session_down
    /// Raised when a session is torn down and set up anew, so that its sequence numbers start again.
    std::uint32_t incarnation = 0;
    TrafficCounters* out = nullptr;
    TrafficCounters* in = nullptr;
};

/// A tunnel in the form that stages use.
struct TunnelRow {
    TunnelIndex index{};
    Encapsulation encapsulation{};
    bool is_protected = false;
    DscpPolicy dscp{};
    EcnMode ecn{};
    std::uint8_t control_traffic_class = 0;  ///< DSCP and ECN
    IpAddress local;
    Endpoint remote;
    TrafficCounters* out = nullptr;
    TrafficCounters* in = nullptr;
};

/// A session in the form that stages use.
struct SessionRow {
    SessionIndex index{};
    SessionId local_id{};
    SessionId other_local_id{};  ///< 0: none
    SessionId remote_id{};
    std::uint32_t incarnation = 0;
    const TunnelRow* tunnel = nullptr;
    bool up = true;
    PseudowireType type{};
    std::optional<VlanId> access_vlan;
    bool channel = false;
    // towards the peer
    HeaderTemplate header;
    HeaderTemplate channel_header;  ///< in front of a message of the channel, which has its word already
    bool send_sequence = false;
    std::size_t max_frame = 0;
    TrafficCounters* out = nullptr;
    // from the peer
    std::uint8_t cookie_size = 0;
    Sublayer receive_sublayer{};
    ReceiveSequencing receive_sequencing{};
    std::uint64_t cookie = 0;  ///< as load_cookie() gives it
    std::uint64_t other_cookie = 0;
    TrafficCounters* in = nullptr;
};

class SessionTable {
  public:
    /// Largest SessionIndex is kMaxSessions - 1: indices are meant to be dense.
    static constexpr std::size_t kMaxSessions = 65536;

    /// Errors, as a sentence: an index or a local Session ID used twice or 0, a tunnel that is not there, a
    /// cookie of a size other than 0, 4 or 8, sequencing without the sublayer that carries it, a channel with neither
    /// sublayer nor cookie.
    [[nodiscard]] static Result<std::shared_ptr<const SessionTable>, std::string> build(
        const std::vector<TunnelEntry>& tunnels, const std::vector<SessionEntry>& sessions);

    SessionTable(const SessionTable&) = delete;
    SessionTable& operator=(const SessionTable&) = delete;

    /// Null: no such session.
    [[nodiscard]] const SessionRow* by_index(SessionIndex index) const noexcept {
        return raw(index) < by_index_.size() ? by_index_[raw(index)] : nullptr;
    }
    [[nodiscard]] const SessionRow* by_local_id(SessionId id) const noexcept;

    /// The tunnel that a packet outside ESP belongs to, by addresses and ports; null: none.
    /// Ports count only for encapsulation udp.
    [[nodiscard]] const TunnelRow* by_path(Encapsulation encapsulation, const Path& path) const noexcept;

    [[nodiscard]] const std::vector<SessionRow>& sessions() const noexcept { return sessions_; }
    /// One past the largest SessionIndex in use.
    [[nodiscard]] std::size_t index_end() const noexcept { return by_index_.size(); }

  private:
    struct Slot {
        SessionId id{};  ///< 0: free
        std::uint32_t row = 0;
    };
    SessionTable() = default;
    [[nodiscard]] Result<void, std::string> add_tunnels(const std::vector<TunnelEntry>& entries);
    [[nodiscard]] Result<void, std::string> add_sessions(const std::vector<SessionEntry>& entries);
    [[nodiscard]] std::size_t home(SessionId id) const noexcept;
    void hash_rows();
    void hash(SessionId id, std::uint32_t row);

    std::vector<TunnelRow> tunnels_;  ///< by remote address
    std::vector<SessionRow> sessions_;
    std::vector<const SessionRow*> by_index_;
    std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
};

/// Whether a packet outside ESP that came by `path` may belong to `tunnel`.
[[nodiscard]] bool matches(const TunnelRow& tunnel, const Path& path) noexcept;

/// What a worker remembers of each session (say, its next sequence number) across tables: a session that is
/// in the new table with the same ids, tunnel and incarnation keeps its state, any other starts with a fresh
/// T.
template <class T>
class SessionStates {
  public:
    void adopt(const SessionTable& table) {
        std::vector<Kept> next(table.index_end());
        for (const SessionRow& row : table.sessions()) {
            const Identity identity{row.local_id, row.remote_id, row.tunnel->index, row.incarnation};
            const auto i = raw(row.index);
            if (i < kept_.size() && kept_[i].identity == identity) next[i].state = kept_[i].state;
            next[i].identity = identity;
        }
        kept_ = std::move(next);
    }
    /// The session must be in the table that was adopted last.
    [[nodiscard]] T& operator[](SessionIndex index) noexcept { return kept_[raw(index)].state; }

  private:
    struct Identity {
        SessionId local{};
        SessionId remote{};
        TunnelIndex tunnel = kNoTunnel;
        std::uint32_t incarnation = 0;
        friend bool operator==(const Identity&, const Identity&) = default;
    };
    struct Kept {
        Identity identity;
        T state;
    };
    std::vector<Kept> kept_;
};

}  // namespace isthmus::tunnel
