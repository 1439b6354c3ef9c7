#include "config/document.h"

#include <toml++/toml.h>

#include <utility>

#include "config/words.h"

namespace isthmus::config {

namespace {

ValueType type_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return ValueType::table;
        case toml::node_type::array: return ValueType::array;
        case toml::node_type::string: return ValueType::text;
        case toml::node_type::integer: return ValueType::integer;
        case toml::node_type::floating_point: return ValueType::real;
        case toml::node_type::boolean: return ValueType::boolean;
        default: return ValueType::date;
    }
}

Value convert(const toml::node& node) {  // NOLINT(misc-no-recursion): the library bounds the depth at 256
    Value out;
    out.type = type_of(node);
    out.line = node.source().begin.line;
    if (const auto* text = node.as_string()) out.text = text->get();
    if (const auto* integer = node.as_integer()) out.integer = integer->get();
    if (const auto* boolean = node.as_boolean()) out.boolean = boolean->get();
    if (const auto* array = node.as_array()) {
        for (const auto& element : *array)
            out.entries.push_back({"", element.source().begin.line, convert(element)});
    }
    if (const auto* table = node.as_table()) {
        for (const auto& member : *table) {
            const toml::key& key = member.first;
            out.entries.push_back({std::string(key.str()), key.source().begin.line, convert(member.second)});
        }
    }
    return out;
}

std::string_view line_of(std::string_view text, std::uint32_t line) {
    for (std::uint32_t n = 1; n < line; ++n) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    return text.substr(0, text.find('\n'));
}

/// The library quotes what it stumbled over: that may be a key somebody forgot to put in quotes.
std::string describe(std::string_view description, std::string_view line) {
    if (line.find("insecure_inline_key") != std::string_view::npos) return "not TOML";
    return without_secrets(description);
}

}  // namespace

std::string_view name_of(ValueType type) noexcept {
    switch (type) {
        case ValueType::text: return "text";
        case ValueType::integer: return "an integer";
        case ValueType::real: return "a number with a fraction";
        case ValueType::boolean: return "true or false";
        case ValueType::date: return "a date or time";
        case ValueType::array: return "an array";
        case ValueType::table: return "a table";
    }
    return "unknown";
}

const Entry* Value::find(std::string_view key) const noexcept {
    for (const Entry& entry : entries)
        if (entry.key == key) return &entry;
    return nullptr;
}

Result<Value, SyntaxError> parse_toml(std::string_view text) {
    try {
        return convert(toml::parse(text));
    } catch (const toml::parse_error& error) {
        const std::uint32_t line = error.source().begin.line;
        return Unexpected(SyntaxError{line, describe(error.description(), line_of(text, line))});
    }
}

}  // namespace isthmus::config
