// [tunnel.ike]: keys by IKEv2. What needs cryptography to judge (names, certificates, keys) is here as it was read, with its
// line; the appliance makes the engine's options of it and reports what is wrong in the same form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "crypto/esp/options.h"
#include "crypto/ike/options.h"
#include "crypto/secret_bytes.h"

namespace isthmus::config {

/// Where a table begins in the file. It is no part of what the table says: two that differ in it only are equal.
struct Line {
    std::uint32_t number = 0;
    constexpr Line() = default;
    explicit constexpr Line(std::uint32_t n) : number(n) {}
    // NOLINTNEXTLINE(google-explicit-constructor)
    constexpr operator std::uint32_t() const noexcept { return number; }
    friend constexpr bool operator==(Line, Line) noexcept { return true; }
};

/// A text, and the line it stands on.
struct TextAt {
    std::string text;
    Line line;
    friend bool operator==(const TextAt&, const TextAt&) = default;
};

/// A file that was read with the configuration, and the line that names it.
struct FileAt {
    std::string path;
    crypto::SecretBytes content;
    Line line;
    friend bool operator==(const FileAt&, const FileAt&) = default;
};

struct IkeConfig {
    enum class Auth : std::uint8_t { psk, certificate };
    Auth auth = Auth::psk;
    std::optional<FileAt> psk;  ///< with Auth::psk; PEM files with Auth::certificate
    std::optional<FileAt> certificate;
    std::optional<FileAt> key;
    std::vector<FileAt> authorities;
    std::vector<FileAt> revocation_lists;
    bool require_revocation_list = false;
    bool accept_without_clock = false;
    std::optional<FileAt> ppk;  ///< RFC 8784
    TextAt ppk_id;
    bool require_ppk = true;

    std::optional<TextAt> local_identity;
    std::optional<TextAt> remote_identity;  ///< nullopt: anybody whom the credentials vouch for

    IpAddress local;          ///< of IKE and ESP; the tunnel's own but in tunnel mode
    std::string remote_host;  ///< address or DNS name; empty: any
    crypto::ike::Role role = crypto::ike::Role::both;
    crypto::esp::Mode mode = crypto::esp::Mode::transport;
    crypto::ike::Encapsulation encapsulation = crypto::ike::Encapsulation::automatic;
    crypto::ike::Childless childless = crypto::ike::Childless::allow;

    // Empty: the defaults.
    std::vector<crypto::ike::IkeCipher> ike_suites;
    std::vector<crypto::Prf> prfs;
    std::vector<crypto::DhGroup> groups;
    std::vector<crypto::esp::Suite> esp_suites;
    crypto::ike::ForwardSecrecy forward_secrecy = crypto::ike::ForwardSecrecy::preferred;
    crypto::ike::SequenceNumbers sequence_numbers = crypto::ike::SequenceNumbers::extended_preferred;
    std::uint32_t replay_window = crypto::esp::kDefaultReplayWindow;

    Duration detection = std::chrono::seconds(10);  ///< a peer that is silent for so long is lost
    Duration keepalive = std::chrono::seconds(20);
    Duration child_rekey = std::chrono::hours(1);
    Duration ike_rekey = std::chrono::hours(4);
    Duration reauthentication{};  ///< 0: never
    std::uint64_t rekey_bytes = 0;
    std::uint64_t rekey_packets = 0;
    std::uint16_t fragment_size = 1280;

    Line line;  ///< of its [tunnel.ike]
    friend bool operator==(const IkeConfig&, const IkeConfig&) = default;
};

}  // namespace isthmus::config
