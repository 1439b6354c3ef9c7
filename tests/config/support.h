// A good configuration to break, and what loading it says.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "config/load.h"
#include "tests/config/fake_environment.h"

namespace isthmus::config {

inline FakeEnvironment machine_with_keys() {
    FakeEnvironment machine;
    machine.files["/etc/isthmus/out.key"] = {std::string(72, 'a'), 0, 0600};
    machine.files["/etc/isthmus/in.key"] = {std::string(72, 'b'), 0, 0400};
    return machine;
}

/// Without problems.
inline const std::string kGood = R"(schema = 1
[gateway]
name = "dc-gw"

[[bridge]]
name = "br-dc"
ports = ["lan0"]

[[tunnel]]
name = "cloud"
local = "192.0.2.1"
remote = "192.0.2.2"
protection = "esp"
[tunnel.esp]
keys = "manual"
out = { spi = 0xc0000001, key_file = "/etc/isthmus/out.key" }
in = { spi = 0xc0000002, key_file = "/etc/isthmus/in.key" }

[[session]]
name = "vlans"
tunnel = "cloud"
bridge = "br-dc"
local_id = 0xa1b2c3d4
remote_id = 0x51627384
local_cookie = "f1f2f3f4f5f6f7f8"
remote_cookie = "0102030405060708"
vlans = "10,20-29"
)";

/// `text` with its first `from` replaced.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

inline std::vector<std::string> texts_of(const Problems& problems) {
    std::vector<std::string> out;
    for (const Problem& problem : problems) out.push_back(problem.text());
    return out;
}

/// What is wrong with `text`, as people see it.
inline std::vector<std::string> problems_of(const std::string& text,
                                            const Environment& machine = machine_with_keys()) {
    const auto loaded = load(text, "c.toml", machine);
    return loaded ? std::vector<std::string>() : texts_of(loaded.error());
}

inline std::vector<std::string> warnings_of(const std::string& text) {
    const auto loaded = load(text, "c.toml", machine_with_keys());
    REQUIRE(loaded);
    return texts_of(loaded->warnings);
}

using Texts = std::vector<std::string>;

}  // namespace isthmus::config

namespace doctest {
template <>
struct StringMaker<std::vector<std::string>> {
    static String convert(const std::vector<std::string>& texts) {
        std::string out;
        for (const std::string& text : texts) out += "\n    " + text;
        return out.c_str();
    }
};
}  // namespace doctest
