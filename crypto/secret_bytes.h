// Key material, under the name that crypto uses.
#pragma once

#include "base/secret_bytes.h"

namespace isthmus::crypto {
using isthmus::SecretBytes;
}  // namespace isthmus::crypto
