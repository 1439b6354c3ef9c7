// Answers of the daemon as text for people: tables, numbers, durations.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "base/time.h"

namespace isthmus::appliance {

/// Columns as wide as their widest cell, and lines of detail between the rows.
class TextTable {
  public:
    explicit TextTable(std::vector<std::string> head) { rows_.push_back({std::move(head), false}); }
    void row(std::vector<std::string> cells) { rows_.push_back({std::move(cells), false}); }
    void detail(std::string line) { rows_.push_back({{std::move(line)}, true}); }
    void print(std::ostream& out) const;

  private:
    struct Row {
        std::vector<std::string> cells;
        bool is_detail = false;
    };
    std::vector<Row> rows_;
};

/// A text member; "-" if it is not there.
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* key);
/// 1234567 -> "1.23 M"; below 10,000 the number as it is.
[[nodiscard]] std::string short_count(std::uint64_t n);
/// 532 -> "532 B"; 698731234 -> "699 MB".
[[nodiscard]] std::string byte_count(std::uint64_t n);
/// 3725 -> "1 h 2 min".
[[nodiscard]] std::string duration_text(std::uint64_t seconds);
/// 2026-11-26T16:05:09Z
[[nodiscard]] std::string utc_text(WallTime at);
/// up green, waiting and blocked yellow, down red: for terminals.
[[nodiscard]] std::string with_coloured_states(std::string text);

}  // namespace isthmus::appliance
