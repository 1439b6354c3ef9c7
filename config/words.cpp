#include "config/words.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace isthmus::config {

namespace {

constexpr std::size_t kMaxCompared = 64;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_printable(char c) {
    return c >= ' ' && c <= '~';
}

std::size_t hex_run(std::string_view text) {
    std::size_t n = 0;
    while (n < text.size() && is_hex(text[n])) ++n;
    return n;
}

std::size_t longest_hex_run(std::string_view text) {
    std::size_t longest = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t run = hex_run(text.substr(at));
        longest = std::max(longest, run);
        at += run + 1;
    }
    return longest;
}

}  // namespace

std::string quoted(std::string_view text, std::size_t limit) {
    if (longest_hex_run(text) >= 16) return "text of " + std::to_string(text.size()) + " characters";
    std::string out = "\"";
    for (const char c : text.substr(0, limit)) out.push_back(is_printable(c) ? c : '?');
    return out + (text.size() > limit ? "...\"" : "\"");
}

std::string without_secrets(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t run = hex_run(text);
        if (run >= 8) {
            out += "...";
            text.remove_prefix(run);
            continue;
        }
        const std::size_t n = std::max<std::size_t>(run, 1);
        for (const char c : text.substr(0, n)) out.push_back(is_printable(c) ? c : '?');
        text.remove_prefix(n);
    }
    return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> above(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(above);
        above.swap(row);
    }
    return above[b.size()];
}

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
    if (text.size() > kMaxCompared) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, text.size() / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(text, candidate.substr(0, kMaxCompared));
        if (distance >= best_distance) continue;
        best_distance = distance;
        best = candidate;
    }
    return best;
}

std::string hex_text(std::uint32_t id) {
    std::array<std::uint8_t, 4> wire{};
    store_be32(wire.data(), id);
    return "0x" + to_hex(wire);
}

std::string listed(const std::vector<std::string_view>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " and " : ", ";
        out += words[i];
    }
    return out;
}

}  // namespace isthmus::config
