// The Control Connection IDs that we have given out (RFC 3931 section 5.4.3) and that are in use, half-open ones too: a message
// for one of them is of a connection that lives, any other is one that anybody may send.
#pragma once

#include "base/shared_ids.h"

namespace isthmus::tunnel {

/// One that finds no room is not known to the workers: its messages are treated as those of strangers.
using ConnectionIds = SharedIds<ControlConnectionId>;

}  // namespace isthmus::tunnel
