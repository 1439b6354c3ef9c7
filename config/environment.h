// What a configuration needs of the machine it is read on: handed in, so that tests can make one up.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace isthmus::config {

/// A file's content, and who could have read or written it. Owner and mode belong to the very file that was
/// read.
struct File {
    std::string content;
    std::uint32_t owner = 0;  ///< user id
    std::uint32_t mode = 0;   ///< permission bits: 0600
};

class Environment {
  public:
    virtual ~Environment() = default;
    /// Whole regular files of at most `limit` bytes. Error: what is wrong, in words without the path ("no
    /// such file").
    [[nodiscard]] virtual Result<File, std::string> read_file(const std::string& path,
                                                              std::size_t limit) const = 0;
    [[nodiscard]] virtual std::uint32_t user_id() const = 0;  ///< of this process
    [[nodiscard]] virtual std::string host_name() const = 0;
};

}  // namespace isthmus::config
