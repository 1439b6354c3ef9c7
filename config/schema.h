// Every key that a configuration may have. docs/configuration.md shows this table; a test holds the two
// together.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"

namespace isthmus::config {

inline constexpr std::int64_t kSchemaVersion = 1;

enum class KeyType : std::uint8_t { text, integer, boolean, texts, table, tables };

struct KeySpec {
    std::string_view section;  ///< "", "gateway", "tunnel.esp": the table it stands in
    std::string_view key;
    KeyType type;
    std::string_view fallback;  ///< the default in words; "required" if there is none and it must be there
    std::string_view range;     ///< what values are good
    std::string_view what;
    std::string_view example;            ///< a value, as it would be written
    std::string_view when_missing = {};  ///< remedy for a required key that is not there, if not the example

    [[nodiscard]] bool is_required() const noexcept { return fallback == "required"; }
    [[nodiscard]] std::string path() const;     ///< "tunnel.esp.keys"
    [[nodiscard]] std::string written() const;  ///< "keys = \"manual\"", "[[bridge]]"
};

[[nodiscard]] std::span<const KeySpec> schema() noexcept;
[[nodiscard]] const KeySpec* find_spec(std::string_view section, std::string_view key) noexcept;
[[nodiscard]] std::vector<std::string_view> keys_of(std::string_view section);
[[nodiscard]] std::string_view name_of(KeyType type) noexcept;
[[nodiscard]] bool fits(KeyType type, const Value& value) noexcept;

}  // namespace isthmus::config
