// What tells this gateway apart from all others: random, made at first start, kept in the state directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/rng.h"

namespace isthmus::appliance {

struct NodeId {
    std::vector<std::uint8_t> bytes;  ///< 16
    std::string problem;              ///< a sentence if it could not be kept: then it is of this run only
};

[[nodiscard]] NodeId node_id(const std::filesystem::path& state_dir, Rng& rng);

}  // namespace isthmus::appliance
