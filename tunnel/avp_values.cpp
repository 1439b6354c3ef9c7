#include "tunnel/avp_values.h"

namespace isthmus::tunnel {

std::string CircuitStatus::text() const {
    std::string out = active ? "active" : "inactive";
    if (is_new) out += ", new";
    if (circuit_receive_fault) out += ", circuit receive fault";
    if (circuit_transmit_fault) out += ", circuit transmit fault";
    if (pseudowire_receive_fault) out += ", pseudowire receive fault";
    if (pseudowire_transmit_fault) out += ", pseudowire transmit fault";
    if (standby) out += ", standby";
    return out;
}

}  // namespace isthmus::tunnel
