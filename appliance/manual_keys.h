// A tunnel's keys from the configuration, and what keeps their sequence numbers from being used twice: for labs and tests.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "appliance/condition.h"
#include "appliance/sa_set.h"
#include "base/result.h"
#include "base/rng.h"
#include "config/configuration.h"
#include "crypto/io/sequence_file.h"
#include "crypto/packet_cipher.h"

namespace isthmus::appliance {

/// Providers of the workers' ciphers: one a worker, since ciphers of one provider belong to one thread.
struct Providers {
    std::unique_ptr<crypto::CipherProvider> outbound;
    std::unique_ptr<crypto::CipherProvider> inbound;
};

class ManualKeys {
  public:
    /// Reads the state files, makes both SAs and puts them into `sas`. Without them the condition says what to do.
    void open(const config::EspConfig& esp, const std::filesystem::path& state_dir, Providers& providers,
              Rng& rng, SaSet& sas);
    /// Keeps sequence numbers reserved ahead of use. Error: a sentence for the log.
    [[nodiscard]] Result<void, std::string> reserve_ahead();
    /// Writes down how far the inbound SA has come. Error: a sentence for the log.
    [[nodiscard]] Result<void, std::string> save_replay_floor();
    [[nodiscard]] Condition condition() const;

  private:
    [[nodiscard]] Result<void, std::string> make(const config::EspConfig& esp,
                                                 const std::filesystem::path& state_dir, Providers& providers,
                                                 Rng& rng);

    std::optional<crypto::io::DurableSequence> sequence_;
    std::optional<crypto::io::DurableReplayFloor> replay_floor_;
    std::shared_ptr<crypto::esp::OutboundSa> outbound_;
    std::shared_ptr<crypto::esp::InboundSa> inbound_;
    std::string problem_;
};

/// The way that the configuration fixes.
[[nodiscard]] EspWay way_of(const config::EspConfig& esp);

}  // namespace isthmus::appliance
