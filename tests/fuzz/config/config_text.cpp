// Any text as a configuration: no crash, and everything that is said about it fits on a printable line.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/load.h"

namespace {

using isthmus::Result;
using isthmus::Unexpected;

/// Every path has a file; its name decides what is wrong with it.
class Machine final : public isthmus::config::Environment {
  public:
    [[nodiscard]] Result<isthmus::config::File, std::string> read_file(const std::string& path,
                                                                       std::size_t) const override {
        if (path.size() % 5 == 0) return Unexpected(std::string("no such file"));
        return isthmus::config::File{std::string(72, path.size() % 2 == 0 ? 'a' : 'b'),
                                     path.size() % 7 == 0 ? 1U : 0U, path.size() % 11 == 0 ? 0644U : 0600U};
    }
    [[nodiscard]] std::uint32_t user_id() const override { return 0; }
    [[nodiscard]] std::string host_name() const override { return "host"; }
};

void check(const isthmus::config::Problems& problems) {
    for (const auto& problem : problems) {
        if (problem.what.empty() || problem.remedy.empty()) std::abort();
        for (const char c : problem.text())
            if (c < ' ' || c > '~') std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto loaded = isthmus::config::load(text, "c.toml", Machine());
    if (!loaded && loaded.error().empty()) std::abort();
    check(loaded ? loaded->warnings : loaded.error());
    return 0;
}
