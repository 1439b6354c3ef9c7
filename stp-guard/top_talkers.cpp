#include "stp-guard/top_talkers.h"

#include <algorithm>

#include "base/bytes.h"

namespace isthmus::stp_guard {

namespace {

std::uint64_t pack(const MacAddress& source, std::uint16_t vid, StormClass c) noexcept {
    const std::uint64_t mac =
        std::uint64_t{load_be16(source.bytes.data())} << 32 | load_be32(source.bytes.data() + 2);
    return (std::uint64_t{static_cast<std::uint8_t>(c)} + 1) << 60 | std::uint64_t{vid & 0xfffU} << 48 | mac;
}

Talker unpack(std::uint64_t who, std::uint64_t frames) {
    Talker out;
    store_be16(out.source.bytes.data(), static_cast<std::uint16_t>(who >> 32));
    store_be32(out.source.bytes.data() + 2, static_cast<std::uint32_t>(who));
    out.vid = static_cast<std::uint16_t>(who >> 48 & 0xfff);
    out.storm_class = static_cast<StormClass>((who >> 60) - 1);
    out.frames = frames;
    return out;
}

}  // namespace

void TopTalkers::note(const MacAddress& source, std::uint16_t vid, StormClass c,
                      std::uint32_t frames) noexcept {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    if (forget_.load(kRelaxed)) {
        for (Place& place : places_) {
            place.who.store(0, kRelaxed);
            place.frames.store(0, kRelaxed);
        }
        forget_.store(false, kRelaxed);
    }
    const std::uint64_t who = pack(source, vid, c);
    Place* least = &places_[0];
    for (Place& place : places_) {
        if (place.who.load(kRelaxed) == who) {
            place.frames.store(place.frames.load(kRelaxed) + frames, kRelaxed);
            return;
        }
        if (place.frames.load(kRelaxed) < least->frames.load(kRelaxed)) least = &place;
    }
    // The newcomer inherits the count of whom it replaces: its own can only be smaller.
    least->who.store(who, kRelaxed);
    least->frames.store(least->frames.load(kRelaxed) + frames, kRelaxed);
}

std::vector<Talker> TopTalkers::ranking() const {
    std::vector<Talker> out;
    for (const Place& place : places_) {
        const std::uint64_t who = place.who.load(std::memory_order_relaxed);
        if (who != 0) out.push_back(unpack(who, place.frames.load(std::memory_order_relaxed)));
    }
    std::sort(out.begin(), out.end(), [](const Talker& a, const Talker& b) { return a.frames > b.frames; });
    return out;
}

}  // namespace isthmus::stp_guard
