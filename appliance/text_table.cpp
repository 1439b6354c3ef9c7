#include "appliance/text_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

namespace isthmus::appliance {

namespace {

void print_cells(std::ostream& out, const std::vector<std::string>& cells,
                 const std::vector<std::size_t>& widths) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
        out << cells[i];
        if (i + 1 < cells.size()) out << std::string(widths[i] - cells[i].size() + 2, ' ');
    }
    out << '\n';
}

}  // namespace

void TextTable::print(std::ostream& out) const {
    std::vector<std::size_t> widths;
    for (const Row& row : rows_) {
        if (row.is_detail) continue;
        widths.resize(std::max(widths.size(), row.cells.size()));
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            widths[i] = std::max(widths[i], row.cells[i].size());
    }
    for (const Row& row : rows_) {
        if (row.is_detail)
            out << "    " << row.cells[0] << '\n';
        else
            print_cells(out, row.cells, widths);
    }
}

std::string text_of(const nlohmann::json& object, const char* key) {
    return object.value(key, std::string("-"));
}

std::string short_count(std::uint64_t n) {
    static constexpr std::array<const char*, 5> kUnits{"", " k", " M", " G", " T"};
    if (n < 10'000) return std::to_string(n);
    auto value = static_cast<double>(n);
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), "%.3g%s", value, kUnits[unit]);
    return out.data();
}

std::string byte_count(std::uint64_t n) {
    return short_count(n) + (n < 10'000 ? " B" : "B");
}

std::string duration_text(std::uint64_t seconds) {
    if (seconds < 60) return std::to_string(seconds) + " s";
    if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
    if (seconds < 86400)
        return std::to_string(seconds / 3600) + " h " + std::to_string(seconds % 3600 / 60) + " min";
    return std::to_string(seconds / 86400) + " d " + std::to_string(seconds % 86400 / 3600) + " h";
}

std::string utc_text(WallTime at) {
    const std::time_t seconds = at.time_since_epoch().count();
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), size};
}

std::string with_coloured_states(std::string text) {
    static constexpr std::array<std::pair<const char*, const char*>, 4> kMarks{
        {{" up ", "\x1b[32m"}, {" waiting ", "\x1b[33m"}, {" blocked ", "\x1b[33m"}, {" down ", "\x1b[31m"}}};
    for (const auto& [word, code] : kMarks) {
        const std::string plain(word);
        const std::string marked = " " + std::string(code) + plain.substr(1, plain.size() - 2) + "\x1b[0m ";
        for (std::size_t at = text.find(plain); at != std::string::npos;
             at = text.find(plain, at + marked.size()))
            text.replace(at, plain.size(), marked);
    }
    return text;
}

}  // namespace isthmus::appliance
