#include "tunnel/session_table.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <utility>

#include "tunnel/vccv.h"

namespace isthmus::tunnel {

namespace {

std::string name_of(const SessionEntry& entry) {
    return "session " + std::to_string(raw(entry.index)) + " (local id " +
           std::to_string(raw(entry.options.local_id)) + ")";
}

bool is_cookie_size(std::uint8_t size) {
    return size == 0 || size == 4 || size == 8;
}

/// A sentence, or nothing if the entry is sound in itself.
std::optional<std::string> complaint(const SessionEntry& entry) {
    const SessionOptions& o = entry.options;
    if (raw(entry.index) >= SessionTable::kMaxSessions) return name_of(entry) + ": index out of range";
    if (raw(o.local_id) == 0 || raw(o.remote_id) == 0) return name_of(entry) + ": Session ID 0 is reserved";
    if (!is_cookie_size(o.local_cookie.size) || !is_cookie_size(o.remote_cookie.size))
        return name_of(entry) + ": a cookie has 0, 4 or 8 bytes";
    if (entry.other_local_cookie && entry.other_local_cookie->size != o.local_cookie.size)
        return name_of(entry) + ": both accepted cookies must be of one size";
    if (o.send_sequence && o.send_sublayer == Sublayer::none)
        return name_of(entry) + ": sending sequence numbers needs the default sublayer";
    if (o.receive_sequencing != ReceiveSequencing::ignore && o.receive_sublayer == Sublayer::none)
        return name_of(entry) + ": checking sequence numbers needs the default sublayer";
    const bool no_way_out = o.send_sublayer == Sublayer::none && o.remote_cookie.size == 0;
    const bool no_way_in = o.receive_sublayer == Sublayer::none && o.local_cookie.size == 0;
    if (o.channel && (no_way_out || no_way_in))
        return name_of(entry) + ": the channel needs the default sublayer or a cookie, in each direction";
    return std::nullopt;
}

TunnelRow row_of(const TunnelEntry& entry) {
    const TunnelOptions& o = entry.options;
    TunnelRow row;
    row.index = entry.index;
    row.encapsulation = o.encapsulation;
    row.is_protected = entry.is_protected;
    row.dscp = o.dscp;
    row.ecn = o.ecn;
    row.control_traffic_class = static_cast<std::uint8_t>(o.control_dscp << 2);
    row.local = o.local;
    row.remote = {o.remote, o.encapsulation == Encapsulation::udp ? o.remote_port : std::uint16_t{0}};
    row.out = entry.out;
    row.in = entry.in;
    return row;
}

SessionRow row_of(const SessionEntry& entry, const TunnelRow& tunnel) {
    const SessionOptions& o = entry.options;
    DataHeader header;
    header.session = o.remote_id;
    header.cookie = o.remote_cookie;
    if (o.send_sublayer == Sublayer::standard) header.sublayer = SublayerWord{};

    SessionRow row;
    row.index = entry.index;
    row.local_id = o.local_id;
    row.other_local_id = entry.other_local_id.value_or(SessionId{});
    row.remote_id = o.remote_id;
    row.incarnation = entry.incarnation;
    row.tunnel = &tunnel;
    row.up = entry.up;
    row.type = o.type;
    row.access_vlan = o.access_vlan;
    row.header = HeaderTemplate(tunnel.encapsulation, header);
    row.channel = o.channel;
    header.sublayer.reset();
    if (o.send_sublayer == Sublayer::none) header.cookie = inverted(o.remote_cookie);
    row.channel_header = HeaderTemplate(tunnel.encapsulation, header);
    row.send_sequence = o.send_sequence;
    row.max_frame = entry.max_frame;
    row.out = entry.out;
    row.cookie_size = o.local_cookie.size;
    row.receive_sublayer = o.receive_sublayer;
    row.receive_sequencing = o.receive_sequencing;
    row.cookie = load_cookie(o.local_cookie.bytes.data(), o.local_cookie.size);
    row.other_cookie = row.cookie;
    if (entry.other_local_cookie)
        row.other_cookie =
            load_cookie(entry.other_local_cookie->bytes.data(), entry.other_local_cookie->size);
    row.in = entry.in;
    return row;
}

bool by_remote_address(const TunnelRow& a, const TunnelRow& b) {
    return a.remote.address < b.remote.address;
}

}  // namespace

Result<std::shared_ptr<const SessionTable>, std::string> SessionTable::build(
    const std::vector<TunnelEntry>& tunnels, const std::vector<SessionEntry>& sessions) {
    const std::shared_ptr<SessionTable> table(new SessionTable);
    if (auto added = table->add_tunnels(tunnels); !added) return Unexpected(added.error());
    if (auto added = table->add_sessions(sessions); !added) return Unexpected(added.error());
    table->hash_rows();
    return std::shared_ptr<const SessionTable>(table);
}

Result<void, std::string> SessionTable::add_tunnels(const std::vector<TunnelEntry>& entries) {
    std::set<TunnelIndex> seen;
    for (const TunnelEntry& entry : entries) {
        if (!seen.insert(entry.index).second)
            return Unexpected("tunnel " + std::to_string(raw(entry.index)) + ": index used twice");
        tunnels_.push_back(row_of(entry));
    }
    std::stable_sort(tunnels_.begin(), tunnels_.end(), by_remote_address);
    return {};
}

Result<void, std::string> SessionTable::add_sessions(const std::vector<SessionEntry>& entries) {
    sessions_.reserve(entries.size());  // rows are pointed at: they must not move
    std::map<TunnelIndex, const TunnelRow*> by_tunnel;
    for (const TunnelRow& tunnel : tunnels_) by_tunnel.emplace(tunnel.index, &tunnel);
    for (const SessionEntry& entry : entries) {
        if (auto words = complaint(entry)) return Unexpected(std::move(*words));
        const auto tunnel = by_tunnel.find(entry.tunnel);
        if (tunnel == by_tunnel.end()) return Unexpected(name_of(entry) + ": its tunnel is not in the table");
        const auto at = raw(entry.index);
        if (at >= by_index_.size()) by_index_.resize(at + 1, nullptr);
        if (by_index_[at] != nullptr) return Unexpected(name_of(entry) + ": index used twice");
        sessions_.push_back(row_of(entry, *tunnel->second));
        by_index_[at] = &sessions_.back();
    }
    std::vector<SessionId> ids;
    for (const SessionRow& row : sessions_) {
        ids.push_back(row.local_id);
        if (raw(row.other_local_id) != 0) ids.push_back(row.other_local_id);
    }
    std::sort(ids.begin(), ids.end());
    const auto twice = std::adjacent_find(ids.begin(), ids.end());
    if (twice != ids.end())
        return Unexpected("local Session ID " + std::to_string(raw(*twice)) + " is used twice");
    return {};
}

void SessionTable::hash_rows() {
    const auto has_other = [](const SessionRow& row) { return raw(row.other_local_id) != 0; };
    const auto others =
        static_cast<std::size_t>(std::count_if(sessions_.begin(), sessions_.end(), has_other));
    slots_.resize(std::bit_ceil((sessions_.size() + others) * 2 + 1));
    for (std::uint32_t i = 0; i < sessions_.size(); ++i) {
        hash(sessions_[i].local_id, i);
        if (has_other(sessions_[i])) hash(sessions_[i].other_local_id, i);
    }
}

void SessionTable::hash(SessionId id, std::uint32_t row) {
    std::size_t at = home(id);
    while (raw(slots_[at].id) != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {id, row};
}

std::size_t SessionTable::home(SessionId id) const noexcept {
    // Fibonacci hashing: neighbouring ids, as people choose them, spread over the table.
    const std::uint32_t mixed = raw(id) * 0x9e37'79b1U;
    return (mixed ^ (mixed >> 16)) & (slots_.size() - 1);
}

const SessionRow* SessionTable::by_local_id(SessionId id) const noexcept {
    if (raw(id) == 0) return nullptr;
    for (std::size_t at = home(id); raw(slots_[at].id) != 0; at = (at + 1) & (slots_.size() - 1)) {
        if (slots_[at].id == id) return &sessions_[slots_[at].row];
    }
    return nullptr;
}

const TunnelRow* SessionTable::by_path(Encapsulation encapsulation, const Path& path) const noexcept {
    TunnelRow key;
    key.remote.address = path.remote.address;
    auto at = std::lower_bound(tunnels_.begin(), tunnels_.end(), key, by_remote_address);
    for (; at != tunnels_.end() && at->remote.address == path.remote.address; ++at) {
        if (at->encapsulation == encapsulation && matches(*at, path)) return &*at;
    }
    return nullptr;
}

bool matches(const TunnelRow& tunnel, const Path& path) noexcept {
    if (tunnel.remote.address != path.remote.address || tunnel.local != path.local.address) return false;
    return tunnel.remote.port == 0 || tunnel.remote.port == path.remote.port;
}

}  // namespace isthmus::tunnel
