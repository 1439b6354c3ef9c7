#include "config/section.h"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace isthmus::config {

namespace {

Problems sorted(Problems problems) {
    std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
        return std::tie(a.line, a.key) < std::tie(b.line, b.key);
    });
    return problems;
}

std::string heading(std::string_view section) {
    if (section.empty()) return "at the top of the file";
    const auto dot = section.rfind('.');
    const auto* spec = dot == std::string_view::npos
                           ? find_spec("", section)
                           : find_spec(section.substr(0, dot), section.substr(dot + 1));
    const bool many = spec != nullptr && spec->type == KeyType::tables;
    return (many ? "in [[" : "in [") + std::string(section) + (many ? "]]" : "]");
}

/// Another table that has this very key.
const KeySpec* elsewhere(std::string_view key) {
    for (const KeySpec& spec : schema())
        if (spec.key == key && !spec.section.empty()) return &spec;
    return nullptr;
}

/// The schema's own copy of a section's name, which outlives every Section.
std::string_view section_of_schema(std::string_view path) {
    for (const KeySpec& spec : schema())
        if (spec.section == path) return spec.section;
    assert(false);
    return {};
}

}  // namespace

Problems Findings::take_problems() {
    return sorted(std::move(problems_));
}
Problems Findings::take_warnings() {
    return sorted(std::move(warnings_));
}

Section::Section(const Value& table, std::uint32_t line, std::string_view section, Findings& findings)
    : table_(&table), line_(line), section_(section), findings_(&findings) {
    check_members();
}

std::uint32_t Section::line_of(std::string_view key) const noexcept {
    const Entry* entry = table_->find(key);
    return entry != nullptr ? entry->line : line_;
}

std::optional<std::string> Section::text(std::string_view key) const {
    const Value* value = good(key, KeyType::text);
    return value != nullptr ? std::optional(value->text) : std::nullopt;
}

std::optional<bool> Section::boolean(std::string_view key) const {
    const Value* value = good(key, KeyType::boolean);
    return value != nullptr ? std::optional(value->boolean) : std::nullopt;
}

std::optional<std::uint32_t> Section::integer(std::string_view key, std::uint32_t min,
                                              std::uint32_t max) const {
    const Value* value = good(key, KeyType::integer);
    if (value == nullptr) return std::nullopt;
    if (value->integer >= std::int64_t{min} && value->integer <= std::int64_t{max})
        return static_cast<std::uint32_t>(value->integer);
    problem(key, std::to_string(value->integer) + " is out of range",
            "it goes from " + std::to_string(min) + " to " + std::to_string(max));
    return std::nullopt;
}

std::vector<std::pair<std::string, std::uint32_t>> Section::texts(std::string_view key) const {
    std::vector<std::pair<std::string, std::uint32_t>> out;
    if (const Value* value = good(key, KeyType::texts))
        for (const Entry& entry : value->entries) out.emplace_back(entry.value.text, entry.line);
    return out;
}

std::vector<Section> Section::tables(std::string_view key) const {
    std::vector<Section> out;
    const Value* value = good(key, KeyType::tables);
    if (value == nullptr) return out;
    out.reserve(value->entries.size());
    for (const Entry& entry : value->entries)
        out.emplace_back(entry.value, entry.line, section_of_schema(path_of(key)), *findings_);
    return out;
}

std::optional<Section> Section::table(std::string_view key) const {
    const Value* value = good(key, KeyType::table);
    if (value == nullptr) return std::nullopt;
    return Section(*value, line_of(key), section_of_schema(path_of(key)), *findings_);
}

void Section::problem(std::string_view key, std::string what, std::string remedy) const {
    problem_at(line_of(key), key, std::move(what), std::move(remedy));
}

void Section::problem_at(std::uint32_t line, std::string_view key, std::string what,
                         std::string remedy) const {
    findings_->problem(line, path_of(key), std::move(what), std::move(remedy));
}

void Section::warning(std::string_view key, std::string what, std::string remedy) const {
    findings_->warning(line_of(key), path_of(key), std::move(what), std::move(remedy));
}

const Value* Section::good(std::string_view key, KeyType type) const {
    [[maybe_unused]] const KeySpec* spec = find_spec(section_, key);
    assert(spec != nullptr && spec->type == type);
    const Entry* entry = table_->find(key);
    return entry != nullptr && fits(type, entry->value) ? &entry->value : nullptr;
}

std::string Section::path_of(std::string_view key) const {
    if (section_.empty()) return std::string(key);
    return key.empty() ? std::string(section_) : std::string(section_) + "." + std::string(key);
}

void Section::check_members() const {
    for (const Entry& entry : table_->entries) {
        const KeySpec* spec = find_spec(section_, entry.key);
        if (spec == nullptr)
            problem_unknown(entry);
        else if (!fits(spec->type, entry.value))
            problem_type(entry, *spec);
    }
    for (const KeySpec& spec : schema()) {
        if (spec.section != section_ || !spec.is_required() || has(spec.key)) continue;
        problem(
            spec.key, "missing",
            spec.when_missing.empty() ? "write it as in " + spec.written() : std::string(spec.when_missing));
    }
}

void Section::problem_unknown(const Entry& entry) const {
    const auto known = keys_of(section_);
    const std::string key = without_secrets(entry.key);
    const std::string_view meant = nearest(entry.key, known);
    std::string remedy = "keys " + heading(section_) + " are " + listed(known);
    if (!meant.empty())
        remedy = "did you mean " + std::string(meant) + "?";
    else if (const KeySpec* other = elsewhere(entry.key))
        remedy = "it belongs " + heading(other->section);
    findings_->problem(entry.line, path_of(key), "unknown key", std::move(remedy));
}

void Section::problem_type(const Entry& entry, const KeySpec& spec) const {
    const std::string is = "is " + std::string(name_of(entry.value.type));
    const bool brackets = spec.type == KeyType::tables && entry.value.type == ValueType::table;
    std::string what = brackets ? "is a single table" : is;
    if (spec.type == KeyType::texts && entry.value.type == ValueType::array)
        what = "holds something other than text";
    if (spec.type == KeyType::tables && entry.value.type == ValueType::array)
        what = "holds something other than tables";
    std::string remedy = brackets ? "write " : "it takes " + std::string(name_of(spec.type)) + ", as in ";
    remedy += spec.written();
    if (brackets) remedy += " with two brackets, once for each";
    problem(entry.key, std::move(what), std::move(remedy));
}

void Section::problem_with_choice(std::string_view key, std::string_view word,
                                  const std::vector<std::string_view>& words) const {
    const std::string_view meant = nearest(word, words);
    std::string remedy = "it is one of " + listed(words);
    if (!meant.empty()) remedy = "did you mean \"" + std::string(meant) + "\"? " + remedy;
    problem(key, quoted(word) + " is none of its values", std::move(remedy));
}

}  // namespace isthmus::config
