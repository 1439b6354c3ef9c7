// What survives a restart: blocks with their cause and times, people's orders, and who was open before.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

Result<void, std::string> GuardCore::restore(Bytes saved, std::uint64_t boot, TimePoint now) {
    auto state = parse_saved_state(saved);
    if (!state)
        return Unexpected("the guard's saved state cannot be read (" + std::string(name_of(state.error())) +
                          "); starting without it, closed until three rounds of probes are clean");
    observe_ordered_ = state->observe;
    // Another boot has another clock. What is left of a hold is known; when it began is not.
    const bool same_clock = state->boot == boot && state->saved_at <= now;
    for (SavedRecord& record : state->records) {
        if (record.kind == SavedRecord::Kind::opened) {
            opened_before_.insert(record.port);
            continue;
        }
        if (record.kind == SavedRecord::Kind::ready) {
            if (same_clock) ready_before_.emplace(record.port, record.link);
            continue;
        }
        if (!same_clock) {
            const auto left = [&](TimePoint until) { return std::max(until - state->saved_at, Duration{}); };
            const auto age = std::max(state->saved_at - record.last_trip, Duration{});
            record.since = now;
            record.held_until = now + std::min<Duration>(left(record.held_until), options_.block.longest);
            record.last_trip = now - std::min<Duration>(age, now.time_since_epoch());
            if (record.order_until != TimePoint{}) record.order_until = now + left(record.order_until);
        }
        // Whatever the file says: no block is longer than the longest.
        record.held_until = std::min(record.held_until, now + options_.block.longest);
        record.last_trip = std::min(record.last_trip, now);
        record.since = std::min(record.since, now);
        // Only a person's order may last longer, and is known as one.
        if (record.kind == SavedRecord::Kind::held) {
            record.cause = Cause::operator_hold;
        } else {
            record.order_until = TimePoint{};
        }
        const bool of_lan = record.kind == SavedRecord::Kind::lan_block;
        saved_.insert_or_assign({record.port, record.vid, of_lan}, record);
    }
    if (!saved_.empty())
        event(GuardEventId::state_restored, Severity::info, {},
              std::to_string(saved_.size()) + (saved_.size() == 1 ? " block was" : " blocks were") +
                  " found from before the restart and stay in force.",
              now);
    return {};
}

std::vector<std::uint8_t> GuardCore::save(std::uint64_t boot, TimePoint now) const {
    SavedState out;
    out.boot = boot;
    out.saved_at = std::max(now, latest_);
    out.observe = observe_ordered_;
    std::unordered_set<std::string> opened =
        opened_before_;  // also those of ports that have not come back yet
    for (const auto& [id, port] : ports_)
        if (port.opened_before) opened.insert(port.spec.name);
    for (const std::string& name : opened) {
        SavedRecord record;
        record.port = name;
        out.records.push_back(record);
    }
    const auto ready = [&out](const std::string& name, std::uint64_t link) {
        SavedRecord record;
        record.kind = SavedRecord::Kind::ready;
        record.port = name;
        record.link = link;
        out.records.push_back(record);
    };
    std::unordered_set<std::string> up;
    for (const auto& [id, lan] : ports_) {
        if (!lan.is_lan() || !lan.up) continue;
        up.insert(lan.spec.name);
        if (lan.link != 0 && lan.readiness.ready(now)) ready(lan.spec.name, lan.link);
    }
    for (const auto& [name, link] : ready_before_)
        if (!up.contains(name)) ready(name, link);
    const auto fill = [](SavedRecord& record, const auto& from) {
        record.since = from.since;
        record.held_until = from.hold_until;
        record.trips = static_cast<std::uint8_t>(std::min(from.backoff.raw_trips(), 255U));
        record.last_trip = from.backoff.last();
    };
    for (const Place place : busy_) {
        const auto found = edges_.find(place);
        if (found == edges_.end()) continue;
        const Edge& edge = found->second;
        if (edge.phase != Phase::blocked && edge.phase != Phase::held) continue;
        SavedRecord record;
        record.kind = edge.phase == Phase::held ? SavedRecord::Kind::held : SavedRecord::Kind::blocked;
        record.port = port(place.port)->spec.name;
        record.vid = place.vid;
        record.cause = edge.cause;
        record.suspended = edge.suspended;
        fill(record, edge);
        record.order_until = edge.order_until.value_or(TimePoint{});
        out.records.push_back(record);
    }
    for (const auto& [place, block] : lan_blocks_) {
        if (!block.active) continue;
        SavedRecord record;
        record.kind = SavedRecord::Kind::lan_block;
        record.port = port(place.port)->spec.name;
        record.vid = place.vid;
        record.cause = Cause::lan_loop;
        fill(record, block);
        out.records.push_back(record);
    }
    // Those of ports that have not come back yet.
    for (const auto& [key, record] : saved_) out.records.push_back(record);
    return emit(out);
}

}  // namespace isthmus::stp_guard
