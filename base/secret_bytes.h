// Key material: not printable, not copyable by accident, wiped when it goes.
#pragma once

#include <cstring>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace isthmus {

class SecretBytes {
  public:
    SecretBytes() = default;
    explicit SecretBytes(Bytes secret) : bytes_(secret.begin(), secret.end()) {}
    SecretBytes(SecretBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    SecretBytes& operator=(SecretBytes&& other) noexcept {
        if (this != &other) {
            wipe();
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;
    ~SecretBytes() { wipe(); }

    [[nodiscard]] SecretBytes clone() const { return SecretBytes(bytes_); }
    [[nodiscard]] Bytes reveal() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    friend bool operator==(const SecretBytes& a, const SecretBytes& b) noexcept {
        return equal_constant_time(a.bytes_, b.bytes_);
    }

  private:
    void wipe() noexcept {
        if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
    }
    std::vector<std::uint8_t> bytes_;
};

}  // namespace isthmus
