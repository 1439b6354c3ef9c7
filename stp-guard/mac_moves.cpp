#include "stp-guard/mac_moves.h"

#include <algorithm>
#include <initializer_list>

namespace isthmus::stp_guard {

namespace {

constexpr auto kStormLasts = std::chrono::seconds(10);  ///< without another sign

bool begins_with(const MacAddress& mac, std::initializer_list<std::uint8_t> with) {
    return std::equal(with.begin(), with.end(), mac.bytes.begin());
}

}  // namespace

std::size_t HostKeyHash::operator()(const HostKey& key) const noexcept {
    std::uint64_t z = key.vid;
    for (const std::uint8_t byte : key.mac.bytes) z = z << 8 | byte;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<std::size_t>(z ^ (z >> 31));
}

bool is_first_hop_gateway(const MacAddress& mac) noexcept {
    return begins_with(mac, {0x00, 0x00, 0x0c, 0x07, 0xac}) ||                               // HSRP version 1
           (begins_with(mac, {0x00, 0x00, 0x0c, 0x9f}) && (mac.bytes[4] & 0xf0) == 0xf0) ||  // HSRP version 2
           (begins_with(mac, {0x00, 0x05, 0x73, 0xa0}) && (mac.bytes[4] & 0xf0) == 0) ||     // HSRP for IPv6
           begins_with(mac, {0x00, 0x00, 0x5e, 0x00, 0x01}) ||  // VRRP, IPv4; CARP
           begins_with(mac, {0x00, 0x00, 0x5e, 0x00, 0x02}) ||  // VRRP, IPv6
           begins_with(mac, {0x00, 0x07, 0xb4, 0x00});          // GLBP
}

bool is_load_balancing(const MacAddress& mac) noexcept {
    return begins_with(mac, {0x02, 0xbf}) || begins_with(mac, {0x03, 0xbf});
}

MacMoves::Outcome MacMoves::on_host(const HostKey& key, PortId port, TimePoint now) {
    Host& known = host(key, port);
    Outcome out;
    if (known.port == port) return out;
    out.moved = true;
    out.from = known.port;
    ++moves_;
    if (known.moves == 0 || now - known.window_start >= options_.duplicate_window) {
        known.window_start = now;
        known.moves = 0;
        known.told = false;
        known.first_port = known.port;
    }
    known.port = port;
    out.first_port = known.first_port;
    if (++known.moves >= options_.duplicate_moves && !known.told) {
        known.told = true;
        out.duplicate = true;
        ++duplicates_;
        duplicate_times_.push_back(now);
        if (duplicate_times_.size() > options_.storm_duplicates) duplicate_times_.pop_front();
    }
    if (now - burst_start_ >= options_.storm_window) {
        burst_start_ = now;
        burst_moves_ = 0;
    }
    ++burst_moves_;
    const bool many_duplicates = out.duplicate && duplicate_times_.size() >= options_.storm_duplicates &&
                                 now - duplicate_times_.front() < options_.storm_duplicates_window;
    if (many_duplicates || burst_moves_ >= options_.storm_moves) out.flap_storm = storm_begins(now);
    return out;
}

void MacMoves::on_gone(const HostKey& key) {
    recent_.erase(key);
    older_.erase(key);
}

std::optional<PortId> MacMoves::place_of(const HostKey& key) const {
    for (const Table* table : {&recent_, &older_})
        if (const auto found = table->find(key); found != table->end()) return found->second.port;
    return std::nullopt;
}
bool MacMoves::on_overrun(TimePoint now) {
    return storm_begins(now);
}

void MacMoves::forget_port(PortId port) {
    for (Table* table : {&recent_, &older_})
        std::erase_if(*table, [port](const auto& entry) { return entry.second.port == port; });
}

MacMoves::Host& MacMoves::host(const HostKey& key, PortId port) {
    if (const auto found = recent_.find(key); found != recent_.end()) return found->second;
    if (recent_.size() >= options_.table_size / 2) {
        older_ = std::move(recent_);
        recent_ = Table{};
    }
    Host host{port, port, 0, {}, false};
    if (const auto found = older_.find(key); found != older_.end()) {
        host = found->second;
        older_.erase(found);
    }
    return recent_.emplace(key, host).first->second;
}

bool MacMoves::storm_begins(TimePoint now) {
    const bool already = storm_until_ && now < *storm_until_;
    storm_until_ = now + kStormLasts;
    return !already;
}

}  // namespace isthmus::stp_guard
