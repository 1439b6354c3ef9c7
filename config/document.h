// A TOML document as a plain tree with line numbers. The only place that knows the TOML library is
// document.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace isthmus::config {

enum class ValueType : std::uint8_t { text, integer, real, boolean, date, array, table };
[[nodiscard]] std::string_view name_of(ValueType type) noexcept;

struct Entry;

/// A value. Only the field of its type means something.
struct Value {
    ValueType type = ValueType::table;
    std::uint32_t line = 0;
    std::string text;
    std::int64_t integer = 0;
    bool boolean = false;
    std::vector<Entry>
        entries;  ///< of a table, in the order of their keys; of an array, in its own order with empty keys

    [[nodiscard]] const Entry* find(std::string_view key) const noexcept;
};

struct Entry {
    std::string key;
    std::uint32_t line = 0;  ///< of the key
    Value value;
};

struct SyntaxError {
    std::uint32_t line = 0;
    std::string what;  ///< never more than a few characters of the text itself
};

/// TOML 1.0. The library stops at the first error.
[[nodiscard]] Result<Value, SyntaxError> parse_toml(std::string_view text);

}  // namespace isthmus::config
