// How a control message came.
#pragma once

#include <string>

#include "base/address.h"
#include "base/ids.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

struct ControlArrival {
    Encapsulation encapsulation = Encapsulation::udp;
    Path path;  ///< of the L2TP packet; in ESP's transport mode with the ports inside
    /// Of the SA that it came through; kNoTunnel: in the clear.
    TunnelIndex authenticated_for = kNoTunnel;
    std::string identity;  ///< of the peer, as IKE authenticated it; empty: not known
};

}  // namespace isthmus::tunnel
