// All that a gateway's workers know of hosts, and share.
#pragma once

#include <cstdint>

#include "stp-guard/flood_memory.h"
#include "stp-guard/heard_elsewhere.h"
#include "stp-guard/host_table.h"
#include "stp-guard/stray_hosts.h"

namespace isthmus::stp_guard {

struct KnownHosts {
    explicit KnownHosts(std::uint64_t seed)
        : lan(seed), tunnel(seed + 1), bridge(seed + 2), floods(seed + 3), strays(seed + 4) {}
    HostTable lan;     ///< heard from TAPs, by the worker towards the WAN
    HostTable tunnel;  ///< heard from tunnels, by the worker towards the LAN
    HostTable
        bridge;  ///< control's copy of the kernel bridges' tables: a bridge's number in place of a session
    FloodMemory floods;        ///< of both workers
    StrayHosts strays;         ///< control's, likewise
    HeardElsewhere elsewhere;  ///< of those in `tunnel`, by the worker towards the WAN
};

}  // namespace isthmus::stp_guard
