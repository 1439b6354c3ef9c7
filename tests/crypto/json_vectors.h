// Reads the JSON vectors below tests/vectors.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace isthmus::test {

[[nodiscard]] inline nlohmann::json load_vectors(const std::string& name) {
    std::ifstream in(std::string(ISTHMUS_TEST_VECTORS) + "/" + name);
    REQUIRE_MESSAGE(in.good(), name);
    return nlohmann::json::parse(in);
}

/// A field of hex digits; empty if the field is missing or null.
[[nodiscard]] inline std::vector<std::uint8_t> hex_field(const nlohmann::json& object, const char* name) {
    if (!object.contains(name) || object[name].is_null()) return {};
    auto bytes = from_hex(object[name].get<std::string>());
    REQUIRE(bytes);
    return *bytes;
}

[[nodiscard]] inline std::vector<std::uint8_t> joined(const std::vector<std::uint8_t>& a,
                                                      const std::vector<std::uint8_t>& b) {
    std::vector<std::uint8_t> both(a);
    both.insert(both.end(), b.begin(), b.end());
    return both;
}

}  // namespace isthmus::test
