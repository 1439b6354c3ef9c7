// A machine made up for tests of the configuration.
#pragma once

#include <map>
#include <string>

#include "config/environment.h"

namespace isthmus::config {

class FakeEnvironment final : public Environment {
  public:
    std::map<std::string, File> files;
    std::uint32_t user = 0;
    std::string host = "test-host";

    [[nodiscard]] Result<File, std::string> read_file(const std::string& path,
                                                      std::size_t limit) const override {
        const auto found = files.find(path);
        if (found == files.end()) return Unexpected(std::string("no such file"));
        if (found->second.content.size() > limit)
            return Unexpected("larger than " + std::to_string(limit) + " bytes");
        return found->second;
    }
    [[nodiscard]] std::uint32_t user_id() const override { return user; }
    [[nodiscard]] std::string host_name() const override { return host; }
};

}  // namespace isthmus::config
