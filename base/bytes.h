// Byte spans, big-endian loads and stores, and the reader and writer that every codec uses.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

[[nodiscard]] constexpr std::uint16_t load_be16(const std::uint8_t* p) noexcept {
    return static_cast<std::uint16_t>((p[0] << 8) | p[1]);
}
[[nodiscard]] constexpr std::uint32_t load_be24(const std::uint8_t* p) noexcept {
    return (std::uint32_t{p[0]} << 16) | (std::uint32_t{p[1]} << 8) | p[2];
}
[[nodiscard]] constexpr std::uint32_t load_be32(const std::uint8_t* p) noexcept {
    return (std::uint32_t{p[0]} << 24) | (std::uint32_t{p[1]} << 16) | (std::uint32_t{p[2]} << 8) | p[3];
}
[[nodiscard]] constexpr std::uint64_t load_be64(const std::uint8_t* p) noexcept {
    return (std::uint64_t{load_be32(p)} << 32) | load_be32(p + 4);
}
constexpr void store_be16(std::uint8_t* p, std::uint16_t v) noexcept {
    p[0] = static_cast<std::uint8_t>(v >> 8);
    p[1] = static_cast<std::uint8_t>(v);
}
constexpr void store_be24(std::uint8_t* p, std::uint32_t v) noexcept {
    p[0] = static_cast<std::uint8_t>(v >> 16);
    store_be16(p + 1, static_cast<std::uint16_t>(v));
}
constexpr void store_be32(std::uint8_t* p, std::uint32_t v) noexcept {
    store_be16(p, static_cast<std::uint16_t>(v >> 16));
    store_be16(p + 2, static_cast<std::uint16_t>(v));
}
constexpr void store_be64(std::uint8_t* p, std::uint64_t v) noexcept {
    store_be32(p, static_cast<std::uint32_t>(v >> 32));
    store_be32(p + 4, static_cast<std::uint32_t>(v));
}

/// Reads big-endian fields front to back. A read past the end returns nullopt and consumes nothing.
class ByteReader {
  public:
    explicit constexpr ByteReader(Bytes in) noexcept : in_(in) {}

    [[nodiscard]] constexpr std::size_t remaining() const noexcept { return in_.size(); }
    [[nodiscard]] constexpr Bytes rest() const noexcept { return in_; }

    constexpr std::optional<std::uint8_t> u8() noexcept {
        if (in_.empty()) return std::nullopt;
        const auto v = in_[0];
        in_ = in_.subspan(1);
        return v;
    }
    constexpr std::optional<std::uint16_t> u16() noexcept { return load<std::uint16_t, 2>(load_be16); }
    constexpr std::optional<std::uint32_t> u24() noexcept { return load<std::uint32_t, 3>(load_be24); }
    constexpr std::optional<std::uint32_t> u32() noexcept { return load<std::uint32_t, 4>(load_be32); }
    constexpr std::optional<std::uint64_t> u64() noexcept { return load<std::uint64_t, 8>(load_be64); }
    constexpr std::optional<Bytes> bytes(std::size_t n) noexcept {
        if (in_.size() < n) return std::nullopt;
        const auto out = in_.first(n);
        in_ = in_.subspan(n);
        return out;
    }

  private:
    template <class T, std::size_t N>
    constexpr std::optional<T> load(T (*from)(const std::uint8_t*) noexcept) noexcept {
        if (in_.size() < N) return std::nullopt;
        const T v = from(in_.data());
        in_ = in_.subspan(N);
        return v;
    }
    Bytes in_;
};

/// Appends big-endian fields to an owned vector: for control messages and tests, not for the datapath.
class ByteWriter {
  public:
    ByteWriter& u8(std::uint8_t v) {
        out_.push_back(v);
        return *this;
    }
    ByteWriter& u16(std::uint16_t v) {
        return put<2>([v](std::uint8_t* p) { store_be16(p, v); });
    }
    ByteWriter& u24(std::uint32_t v) {
        return put<3>([v](std::uint8_t* p) { store_be24(p, v); });
    }
    ByteWriter& u32(std::uint32_t v) {
        return put<4>([v](std::uint8_t* p) { store_be32(p, v); });
    }
    ByteWriter& u64(std::uint64_t v) {
        return put<8>([v](std::uint8_t* p) { store_be64(p, v); });
    }
    ByteWriter& bytes(Bytes b) {
        out_.insert(out_.end(), b.begin(), b.end());
        return *this;
    }
    ByteWriter& text(std::string_view s) {
        out_.insert(out_.end(), s.begin(), s.end());
        return *this;
    }
    ByteWriter& zeros(std::size_t n) {
        out_.insert(out_.end(), n, 0);
        return *this;
    }
    /// Overwrites two bytes already written: for length fields. `at` + 2 must not pass size().
    void patch_u16(std::size_t at, std::uint16_t v) { store_be16(out_.data() + at, v); }

    [[nodiscard]] std::size_t size() const noexcept { return out_.size(); }
    [[nodiscard]] Bytes view() const noexcept { return out_; }
    [[nodiscard]] std::vector<std::uint8_t> take() && { return std::move(out_); }

  private:
    template <std::size_t N, class F>
    ByteWriter& put(F store) {
        std::array<std::uint8_t, N> raw;
        store(raw.data());
        out_.insert(out_.end(), raw.begin(), raw.end());
        return *this;
    }
    std::vector<std::uint8_t> out_;
};

/// Lower-case hex without separators.
[[nodiscard]] std::string to_hex(Bytes in);
/// Hex digits in pairs, upper or lower case, optionally after "0x"; nullopt for anything else.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

/// Compares all of both spans in a time that depends on their lengths only.
[[nodiscard]] bool equal_constant_time(Bytes a, Bytes b) noexcept;

}  // namespace isthmus
