// Reads one table of a configuration by the schema, and collects what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/problem.h"
#include "config/schema.h"
#include "config/words.h"

namespace isthmus::config {

/// Everything found so far, in one file.
class Findings {
  public:
    explicit Findings(std::string file) : file_(std::move(file)) {}

    void problem(std::uint32_t line, std::string key, std::string what, std::string remedy) {
        problems_.push_back({file_, line, std::move(key), std::move(what), std::move(remedy)});
    }
    void warning(std::uint32_t line, std::string key, std::string what, std::string remedy) {
        warnings_.push_back({file_, line, std::move(key), std::move(what), std::move(remedy)});
    }
    [[nodiscard]] bool good() const noexcept { return problems_.empty(); }
    [[nodiscard]] Problems take_problems();
    [[nodiscard]] Problems take_warnings();
    [[nodiscard]] const std::string& file() const noexcept { return file_; }

  private:
    std::string file_;
    Problems problems_;
    Problems warnings_;
};

/// A word of the file for each value of an enumeration.
template <class E>
using Choices = std::span<const std::pair<std::string_view, E>>;

/// A table. Unknown keys, missing keys and wrong types are reported when it is made; its readers then return
/// nullopt for what is not there or was reported already.
class Section {
  public:
    /// `table` and `findings` outlive this. `line` is where the table begins.
    Section(const Value& table, std::uint32_t line, std::string_view section, Findings& findings);

    [[nodiscard]] bool has(std::string_view key) const noexcept { return table_->find(key) != nullptr; }
    [[nodiscard]] std::uint32_t line() const noexcept { return line_; }
    /// Of the key, or of the table if the key is not there.
    [[nodiscard]] std::uint32_t line_of(std::string_view key) const noexcept;

    [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
    [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
    /// Out of range is reported.
    [[nodiscard]] std::optional<std::uint32_t> integer(std::string_view key, std::uint32_t min,
                                                       std::uint32_t max) const;
    [[nodiscard]] std::vector<std::pair<std::string, std::uint32_t>> texts(
        std::string_view key) const;  ///< and lines
    [[nodiscard]] std::vector<Section> tables(std::string_view key) const;
    [[nodiscard]] std::optional<Section> table(std::string_view key) const;

    /// Any other word is reported, with the words that are good.
    template <class E>
    [[nodiscard]] std::optional<E> choice(std::string_view key, Choices<E> choices) const {
        const auto word = text(key);
        if (!word) return std::nullopt;
        std::vector<std::string_view> words;
        for (const auto& [name, value] : choices) {
            if (name == *word) return value;
            words.push_back(name);
        }
        problem_with_choice(key, *word, words);
        return std::nullopt;
    }

    /// At the key's line, or the table's if it is not there.
    void problem(std::string_view key, std::string what, std::string remedy) const;
    void problem_at(std::uint32_t line, std::string_view key, std::string what, std::string remedy) const;
    void warning(std::string_view key, std::string what, std::string remedy) const;
    [[nodiscard]] Findings& findings() const noexcept { return *findings_; }

  private:
    [[nodiscard]] const Value* good(std::string_view key, KeyType type) const;
    [[nodiscard]] std::string path_of(std::string_view key) const;
    void check_members() const;
    void problem_unknown(const Entry& entry) const;
    void problem_type(const Entry& entry, const KeySpec& spec) const;
    void problem_with_choice(std::string_view key, std::string_view word,
                             const std::vector<std::string_view>& words) const;

    const Value* table_;
    std::uint32_t line_;
    std::string_view section_;
    Findings* findings_;
};

}  // namespace isthmus::config
