// X.501 names (RFC 5280 section 4.1.2.4) as text and as DER.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::crypto {

/// "C=XX, O=Example, CN=gw.example.org": the most significant part first, as Certificate::subject() has it. A comma in a
/// value is written "\,", or the value stands in double quotes. Error: a sentence.
[[nodiscard]] Result<std::vector<std::uint8_t>, std::string> distinguished_name_der(std::string_view text);

/// The other way round; "unreadable name" if it is none.
[[nodiscard]] std::string distinguished_name_text(Bytes der);

/// As X.500 compares names: string types, case and runs of spaces do not matter. False if one is unreadable.
[[nodiscard]] bool same_distinguished_name(Bytes a, Bytes b);

}  // namespace isthmus::crypto
