// The numbers of the guard engine. The defaults are those that operators get.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace isthmus::stp_guard {

struct ProbeOptions {
    std::uint32_t per_second = 200;             ///< budget of the steady rounds and of bursts
    std::uint32_t opening_per_second = 800;     ///< and of what is closed and waits for clean rounds
    Duration period = std::chrono::seconds(1);  ///< one probe on each active (VLAN, port), budget permitting
    Duration active_for = std::chrono::seconds(60);  ///< a VLAN is active this long after it carried BUM
    std::uint32_t burst = 6;                         ///< probes per place after an event
    Duration burst_spacing = std::chrono::milliseconds(100);
    Duration max_age = std::chrono::seconds(30);
    std::uint32_t sequence_window = 64;
};

struct OpeningOptions {
    /// False: VLANs open as soon as their session is up, and loops are looked for afterwards. For labs.
    bool checked = true;
    std::uint32_t clean_rounds = 3;
    Duration round = std::chrono::milliseconds(400);
    Duration after_first_frame = std::chrono::seconds(2);
    /// Of a LAN that stays silent: a switch whose port does not forward yet would have sent two BPDUs by now.
    Duration silent_lan = std::chrono::seconds(5);
    /// Of a LAN whose bridges do not say that they forward: two of IEEE 802.1D's forward delays, if they name none.
    Duration two_forward_delays = std::chrono::seconds(30);
    /// Without a message for so long a peer is taken for one that has no guard.
    Duration peer_unheard = std::chrono::seconds(3);
    /// The same for one that had a guard: it may be restarting.
    Duration peer_lost = std::chrono::seconds(30);
};

struct BlockOptions {
    Duration first = std::chrono::seconds(30);
    Duration longest = std::chrono::seconds(3600);
    Duration repeat_within =
        std::chrono::hours(1);  ///< doubles if it comes again within; halves per such time without
    std::uint32_t rounds_before_suspend = 3;          ///< proven although BUM is blocked
    Duration decider_wait = std::chrono::seconds(1);  ///< then who should not decide does
};

struct MacMoveOptions {
    std::uint32_t duplicate_moves = 5;
    Duration duplicate_window = std::chrono::seconds(180);
    std::uint32_t storm_duplicates = 20;
    Duration storm_duplicates_window = std::chrono::seconds(60);
    std::uint32_t storm_moves = 1000;
    Duration storm_window = std::chrono::seconds(5);
    bool pin = false;                 ///< duplicates are pinned to where they were first; else a warning
    std::size_t table_size = 65'536;  ///< hosts whose place is remembered
};

struct GuardOptions {
    bool observe = false;  ///< everything but the blocks
    ProbeOptions probes;
    OpeningOptions opening;
    BlockOptions block;
    MacMoveOptions mac_moves;
    Duration message_interval = std::chrono::seconds(1);
    Duration topology_flush_interval = std::chrono::seconds(10);
};

}  // namespace isthmus::stp_guard
