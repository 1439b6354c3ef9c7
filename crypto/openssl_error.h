// The oldest error that OpenSSL has queued on this thread, in words; empties the queue.
#pragma once

#include <string>
#include <string_view>

namespace isthmus::crypto {

/// "what: reason"; "what" alone if OpenSSL has nothing to say.
[[nodiscard]] std::string openssl_error(std::string_view what);

}  // namespace isthmus::crypto
