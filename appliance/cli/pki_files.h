// Files of `isthmus pki`: made once, never overwritten; private keys readable by their owner only.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret_bytes.h"

namespace isthmus::appliance::cli {

enum class FileMode : std::uint8_t { secret, open };  ///< 0600, 0644

/// A new file, whole or not at all. Error: a sentence, such as that it is there already.
[[nodiscard]] Result<void, std::string> make_file(const std::filesystem::path& path, Bytes content,
                                                  FileMode mode);
/// Puts new content in the place of an old file in one step: for revocation lists.
[[nodiscard]] Result<void, std::string> replace_file(const std::filesystem::path& path, Bytes content);
/// Error: a sentence with the path.
[[nodiscard]] Result<crypto::SecretBytes, std::string> read_whole(const std::filesystem::path& path);

[[nodiscard]] inline Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace isthmus::appliance::cli
