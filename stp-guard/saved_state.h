// What the guard keeps over a restart: blocks with cause and times, people's orders, and which ports were open before.
//
//   magic "IGS1" 4 | boot 8 | saved at, ns 8 | flags 1 (1: observe) | count 4 | records...
//   record: kind 1 | name length 1 | name | then, of ready: link 8; of opened: nothing; of the others:
//           VID 2 | cause 1 | flags 1 (1: suspended) | trips 1 | since 8 | held until 8 | last trip 8 | order until 8
//   Times are nanoseconds of the steady clock; they mean something only within the same boot.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "stp-guard/guard_states.h"

namespace isthmus::stp_guard {

struct SavedRecord {
    enum class Kind : std::uint8_t {
        opened = 1,     ///< a session that has been open: known unicast need not wait
        blocked = 2,    ///< a VLAN on a session
        held = 3,       ///< the same, by a person's order
        lan_block = 4,  ///< a VLAN on a LAN port
        ready = 5,      ///< a LAN port that could carry frames, and over which link
    };
    Kind kind = Kind::opened;
    std::string port;  ///< its name, at most 255 bytes
    std::uint16_t vid = 0;
    Cause cause = Cause::none;
    bool suspended = false;
    std::uint8_t trips = 0;
    TimePoint since{};
    TimePoint held_until{};
    TimePoint last_trip{};
    TimePoint order_until{};  ///< of held: the epoch if until cleared
    std::uint64_t link = 0;   ///< of ready; means something only within the same boot
    friend bool operator==(const SavedRecord&, const SavedRecord&) = default;
};

struct SavedState {
    std::uint64_t boot = 0;
    TimePoint saved_at{};
    bool observe = false;
    std::vector<SavedRecord> records;
    friend bool operator==(const SavedState&, const SavedState&) = default;
};

enum class SavedStateError : std::uint8_t {
    not_a_state,  ///< does not begin with the magic
    truncated,
    bad_record,  ///< a kind, VID or cause that does not exist
    trailing,    ///< bytes behind the last record
};
[[nodiscard]] std::string_view name_of(SavedStateError error) noexcept;

[[nodiscard]] Result<SavedState, SavedStateError> parse_saved_state(Bytes in);
[[nodiscard]] std::vector<std::uint8_t> emit(const SavedState& state);

}  // namespace isthmus::stp_guard
