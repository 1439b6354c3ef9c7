#include "bridge/netlink/error.h"

#include <cstring>

namespace isthmus::bridge {

std::string NetlinkError::text() const {
    const char* name = strerrorname_np(code);
    const char* description = strerrordesc_np(code);
    const std::string why = !kernel_says.empty()     ? kernel_says
                            : description != nullptr ? description
                                                     : "refused";
    return "cannot " + doing + ": " + why + " (" +
           (name != nullptr ? name : "errno " + std::to_string(code)) + ")";
}

}  // namespace isthmus::bridge
