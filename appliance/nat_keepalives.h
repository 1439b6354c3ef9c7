// NAT keepalives (RFC 3948 section 4): one byte where nothing else was sent for a while.
#pragma once

#include <map>

#include "appliance/injector.h"
#include "appliance/inventory.h"
#include "base/time.h"

namespace isthmus::appliance {

class NatKeepalives {
  public:
    /// Call some times a second.
    void run(const Tunnels& tunnels, Injector& injector, TimePoint now);

  private:
    struct Memory {
        TimePoint due{};
        std::uint64_t sent_before = 0;  ///< packets of the SA when the last keepalive was due
    };
    std::map<TunnelIndex, Memory> tunnels_;
};

}  // namespace isthmus::appliance
