// The machine as it is.
#pragma once

#include "config/environment.h"

namespace isthmus::config {

class SystemEnvironment final : public Environment {
  public:
    [[nodiscard]] Result<File, std::string> read_file(const std::string& path,
                                                      std::size_t limit) const override;
    [[nodiscard]] std::uint32_t user_id() const override;
    [[nodiscard]] std::string host_name() const override;
};

}  // namespace isthmus::config
