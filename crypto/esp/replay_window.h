// The anti-replay window (RFC 4303 section 3.4.3 and appendix A; ring of words as in RFC 6479).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace isthmus::crypto::esp {

/// Look before the ICV with check(), mark after it with commit(): a forged packet must not move the window.
class ReplayWindow {
  public:
    enum class Verdict : std::uint8_t { fresh, replayed, outside };

    /// `size` in packets, 64 to 32,768, a multiple of 64. Numbers up to `highest_seen` count as seen.
    explicit ReplayWindow(std::uint32_t size, std::uint64_t highest_seen = 0);

    [[nodiscard]] Verdict check(std::uint64_t sequence) const noexcept {
        if (sequence > highest_) return Verdict::fresh;
        if (sequence <= floor_ || highest_ - sequence >= size_) return Verdict::outside;
        return (words_[word_of(sequence)] & bit_of(sequence)) == 0 ? Verdict::fresh : Verdict::replayed;
    }

    /// Marks `sequence` as seen. Anything but `fresh` changes nothing: two copies in one batch both passed
    /// check().
    [[nodiscard]] Verdict commit(std::uint64_t sequence) noexcept {
        const Verdict verdict = check(sequence);
        if (verdict != Verdict::fresh) return verdict;
        if (sequence > highest_) advance(sequence);
        words_[word_of(sequence)] |= bit_of(sequence);
        return verdict;
    }

    /// The whole sequence number of a packet that carries its low half (RFC 4303 appendix A2.2). nullopt: it
    /// lies before number 0.
    [[nodiscard]] std::optional<std::uint64_t> extend(std::uint32_t low) const noexcept;

    [[nodiscard]] std::uint64_t highest() const noexcept { return highest_; }
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  private:
    [[nodiscard]] std::size_t word_of(std::uint64_t sequence) const noexcept {
        return static_cast<std::size_t>(sequence / 64) & mask_;
    }
    [[nodiscard]] static std::uint64_t bit_of(std::uint64_t sequence) noexcept {
        return std::uint64_t{1} << (sequence % 64);
    }
    void advance(std::uint64_t sequence) noexcept;

    std::uint32_t size_;
    std::size_t mask_;
    std::uint64_t floor_;    ///< seen before this window was made
    std::uint64_t highest_;  ///< largest number committed, or floor_
    std::vector<std::uint64_t> words_;
};

}  // namespace isthmus::crypto::esp
