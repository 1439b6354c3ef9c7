// Words for problems: quoting what somebody wrote, and finding what they may have meant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::config {

/// In quotes, printable, at most `limit` characters. What could be a key (16 hex digits or more) is told by its
/// length only.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t limit = 40);

/// Printable, with every run of 8 or more hex digits left out.
[[nodiscard]] std::string without_secrets(std::string_view text);

/// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that is nearest to `text`, if any is near enough to have been meant; else empty.
[[nodiscard]] std::string_view nearest(std::string_view text,
                                       const std::vector<std::string_view>& candidates);

/// "0xa1b2c3d4", as ids and SPIs are written.
[[nodiscard]] std::string hex_text(std::uint32_t id);

/// "a, b and c"
[[nodiscard]] std::string listed(const std::vector<std::string_view>& words);

}  // namespace isthmus::config
