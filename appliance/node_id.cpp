#include "appliance/node_id.h"

#include <fstream>

#include "base/bytes.h"

namespace isthmus::appliance {

namespace {

constexpr std::size_t kSize = 16;

std::vector<std::uint8_t> read(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string text;
    std::getline(in, text);
    auto bytes = from_hex(text);
    return bytes && bytes->size() == kSize ? std::move(*bytes) : std::vector<std::uint8_t>{};
}

}  // namespace

NodeId node_id(const std::filesystem::path& state_dir, Rng& rng) {
    const std::filesystem::path file = state_dir / "node-id";
    NodeId id{read(file), ""};
    if (!id.bytes.empty()) return id;
    id.bytes.resize(kSize);
    rng.fill(id.bytes);
    const std::filesystem::path draft = state_dir / "node-id.new";
    {
        std::ofstream out(draft, std::ios::trunc);
        out << to_hex(id.bytes) << '\n';
    }
    std::error_code error;
    std::filesystem::permissions(
        draft, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
    std::filesystem::rename(draft, file, error);
    if (error || read(file) != id.bytes)
        id.problem = "cannot write " + file.string() + ": the node id is another one after the next start";
    return id;
}

}  // namespace isthmus::appliance
