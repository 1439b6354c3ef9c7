// What is wrong with a configuration, for the person who wrote it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace isthmus::config {

/// One finding. Texts are single lines of printable characters and never hold a secret's value.
struct Problem {
    std::string file;
    std::uint32_t line = 0;  ///< from 1; 0: the file as a whole
    std::string key;         ///< as in docs/configuration.md: "tunnel.esp.out.spi"; empty: none in particular
    std::string what;        ///< what is wrong
    std::string remedy;      ///< what would be right

    /// "FILE:LINE: key: what; remedy"
    [[nodiscard]] std::string text() const;
};

/// Sorted by line, then key.
using Problems = std::vector<Problem>;

}  // namespace isthmus::config
