#include "stp-guard/saved_state.h"

#include <algorithm>
#include <optional>

namespace isthmus::stp_guard {

namespace {

constexpr std::uint32_t kMagic = 0x49475331;  // "IGS1"
constexpr std::size_t kMaxName = 255;
constexpr std::uint8_t kObserve = 1;
constexpr std::uint8_t kSuspended = 1;

TimePoint time_from(std::uint64_t ns) {
    return TimePoint(Duration(static_cast<std::int64_t>(ns)));
}
std::uint64_t ns_of(TimePoint time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

/// Steady time starts at boot: what is negative, or later than 73 years of it, was never written here.
bool is_plausible(TimePoint time) {
    constexpr Duration kLatest{std::int64_t{1} << 61};
    return time.time_since_epoch() >= Duration{} && time.time_since_epoch() <= kLatest;
}

Result<SavedRecord, SavedStateError> read_place(ByteReader& in, SavedRecord record) {
    constexpr std::size_t kSize = 2 + 1 + 1 + 1 + 4 * 8;
    const auto fields = in.bytes(kSize);
    if (!fields) return Unexpected(SavedStateError::truncated);
    const std::uint8_t* p = fields->data();
    record.vid = load_be16(p);
    if (record.vid >= 4095 || p[2] > kLastCause || p[3] > kSuspended)
        return Unexpected(SavedStateError::bad_record);
    record.cause = static_cast<Cause>(p[2]);
    record.suspended = p[3] == kSuspended;
    record.trips = p[4];
    record.since = time_from(load_be64(p + 5));
    record.held_until = time_from(load_be64(p + 13));
    record.last_trip = time_from(load_be64(p + 21));
    record.order_until = time_from(load_be64(p + 29));
    for (const TimePoint time : {record.since, record.held_until, record.last_trip, record.order_until})
        if (!is_plausible(time)) return Unexpected(SavedStateError::bad_record);
    return record;
}

Result<SavedRecord, SavedStateError> read_record(ByteReader& in) {
    const auto kind = in.u8();
    const auto length = kind ? in.u8() : std::nullopt;
    const auto name = length ? in.bytes(*length) : std::nullopt;
    if (!name) return Unexpected(SavedStateError::truncated);
    if (*kind < static_cast<std::uint8_t>(SavedRecord::Kind::opened) ||
        *kind > static_cast<std::uint8_t>(SavedRecord::Kind::ready))
        return Unexpected(SavedStateError::bad_record);
    SavedRecord record;
    record.kind = static_cast<SavedRecord::Kind>(*kind);
    record.port.assign(name->begin(), name->end());
    if (record.kind == SavedRecord::Kind::opened) return record;
    if (record.kind == SavedRecord::Kind::ready) {
        const auto link = in.u64();
        if (!link) return Unexpected(SavedStateError::truncated);
        record.link = *link;
        return record;
    }
    return read_place(in, std::move(record));
}

}  // namespace

std::string_view name_of(SavedStateError error) noexcept {
    switch (error) {
        case SavedStateError::not_a_state: return "not_a_state";
        case SavedStateError::truncated: return "truncated";
        case SavedStateError::bad_record: return "bad_record";
        case SavedStateError::trailing: return "trailing";
    }
    return "unknown";
}

Result<SavedState, SavedStateError> parse_saved_state(Bytes bytes) {
    ByteReader in(bytes);
    if (in.u32() != kMagic) return Unexpected(SavedStateError::not_a_state);
    const auto boot = in.u64();
    const auto saved_at = in.u64();
    const auto flags = in.u8();
    const auto count = in.u32();
    if (!count) return Unexpected(SavedStateError::truncated);
    if (*flags > kObserve || !is_plausible(time_from(*saved_at)))
        return Unexpected(SavedStateError::bad_record);
    SavedState out{*boot, time_from(*saved_at), *flags == kObserve, {}};
    for (std::uint32_t i = 0; i < *count; ++i) {
        auto record = read_record(in);
        if (!record) return Unexpected(record.error());
        out.records.push_back(*std::move(record));
    }
    if (in.remaining() > 0) return Unexpected(SavedStateError::trailing);
    return out;
}

std::vector<std::uint8_t> emit(const SavedState& state) {
    ByteWriter out;
    out.u32(kMagic).u64(state.boot).u64(ns_of(state.saved_at)).u8(state.observe ? kObserve : 0);
    out.u32(static_cast<std::uint32_t>(state.records.size()));
    for (const SavedRecord& record : state.records) {
        const std::string_view name = std::string_view(record.port).substr(0, kMaxName);
        out.u8(static_cast<std::uint8_t>(record.kind)).u8(static_cast<std::uint8_t>(name.size())).text(name);
        if (record.kind == SavedRecord::Kind::opened) continue;
        if (record.kind == SavedRecord::Kind::ready) {
            out.u64(record.link);
            continue;
        }
        out.u16(record.vid).u8(static_cast<std::uint8_t>(record.cause)).u8(record.suspended ? kSuspended : 0);
        out.u8(record.trips).u64(ns_of(record.since)).u64(ns_of(record.held_until));
        out.u64(ns_of(record.last_trip)).u64(ns_of(record.order_until));
    }
    return std::move(out).take();
}

}  // namespace isthmus::stp_guard
