// State files of manually keyed SAs on disk: write a temporary, fsync, rename, fsync the directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"
#include "crypto/esp/sequence_state.h"

namespace isthmus::crypto::io {

/// "sa-out-c0000001.state" in `state_dir`.
[[nodiscard]] std::filesystem::path sequence_file_path(const std::filesystem::path& state_dir,
                                                       esp::SaDirection direction, Spi spi);

/// First use of a key, an explicit act (`isthmus sa init`): makes the file with no number used. Refuses if it
/// exists, whatever is in it, and if another file of the directory knows this key: under another SPI or in
/// the other direction its nonces would repeat. Error: a sentence.
[[nodiscard]] Result<void, std::string> initialise_sequence_file(const std::filesystem::path& state_dir,
                                                                 const esp::SaIdentity& identity);

/// An outbound SA's numbers. Used by the control thread; one object per file and daemon.
class DurableSequence {
  public:
    /// Resumes after everything that may have been used and reserves the first block durably.
    /// Error: a sentence that says what to do: no file, damaged, another key's, disk refused, no numbers
    /// left.
    [[nodiscard]] static Result<DurableSequence, std::string> open(const std::filesystem::path& state_dir,
                                                                   const esp::SaOptions& options);

    /// For OutboundSa::create.
    [[nodiscard]] esp::SequenceRange range() const noexcept { return reservation_.range(); }

    /// Call often (10 times a second) with OutboundSa::last_sequence(): writes when half a block is used. The
    /// value, if any, goes to OutboundSa::raise_limit(). Error: the disk refused; call again later, traffic
    /// stops at the limit.
    [[nodiscard]] Result<std::optional<std::uint64_t>, std::string> advance(std::uint64_t last_used);

    /// No number is left to reserve: new keys are needed.
    [[nodiscard]] bool exhausted() const noexcept { return reservation_.exhausted(); }

  private:
    DurableSequence(std::filesystem::path state_dir, esp::SaIdentity identity,
                    esp::SequenceReservation reservation)
        : state_dir_(std::move(state_dir)), identity_(identity), reservation_(reservation) {}

    std::filesystem::path state_dir_;
    esp::SaIdentity identity_;
    esp::SequenceReservation reservation_;
};

/// How far an inbound SA had come, so that after a restart old packets are not taken again and extended
/// sequence numbers are reconstructed in the right stretch.
class DurableReplayFloor {
  public:
    /// Error: as DurableSequence::open.
    [[nodiscard]] static Result<DurableReplayFloor, std::string> open(const std::filesystem::path& state_dir,
                                                                      const esp::SaOptions& options);
    /// For InboundSa::create.
    [[nodiscard]] std::uint64_t highest_seen() const noexcept { return saved_; }
    /// Call once a second, and at a clean stop, with InboundSa::highest_sequence(): writes if it moved.
    [[nodiscard]] Result<void, std::string> save(std::uint64_t highest);

  private:
    DurableReplayFloor(std::filesystem::path state_dir, esp::SequenceState state)
        : state_dir_(std::move(state_dir)), identity_(state.identity), saved_(state.sequence) {}

    std::filesystem::path state_dir_;
    esp::SaIdentity identity_;
    std::uint64_t saved_;
};

}  // namespace isthmus::crypto::io
