// Control Message Authentication (RFC 3931 sections 4.3 and 5.4.1): nonces and the Message Digest AVP.
//
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |  Digest Type  | Message Digest, 16 or 20 bytes ...                behind the Message Type AVP, once or twice
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Digest = HMAC(HMAC_MD5(secret, 2), sender's nonce + receiver's nonce + message with zeros for all digests);
// in an SCCRQ without the nonces.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret_bytes.h"
#include "tunnel/avp_hiding.h"
#include "tunnel/control_digest.h"
#include "tunnel/control_header.h"

namespace isthmus::tunnel {

enum class DigestType : std::uint8_t { hmac_md5 = 0, hmac_sha1 = 1 };

inline constexpr std::size_t kNonceSize = 16;  ///< of those that we make
inline constexpr std::size_t kMaxNonce = 256;  ///< of those that we take

/// Keys derived from one shared secret, or from two while the secret is being changed. Immutable; shared by the
/// control connections of a tunnel.
class ControlKeys {
  public:
    /// `secrets`: one or two, the preferred first; none of them empty.
    ControlKeys(std::shared_ptr<const ControlDigest> digest, const std::vector<SecretBytes>& secrets);

    [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
    [[nodiscard]] const ControlDigest& digest() const noexcept { return *digest_; }
    [[nodiscard]] Bytes authentication_key(std::size_t i) const noexcept {
        return keys_[i].authentication.reveal();
    }
    [[nodiscard]] AvpHider hider(std::size_t i) const noexcept { return {*digest_, keys_[i].hiding}; }

  private:
    struct Pair {
        SecretBytes authentication;
        SecretBytes hiding;
    };
    std::shared_ptr<const ControlDigest> digest_;
    std::vector<Pair> keys_;
};

/// What a message that was verified was verified with.
struct Verified {
    std::size_t secret = 0;  ///< which of the keys; hidden AVPs were hidden with the same
    DigestType type{};
    std::size_t best = 0;  ///< first of our secrets that the peer has too
};

/// Why a message is dropped, silently but counted.
enum class AuthFailure : std::uint8_t { no_digest, wrong_digest, unreadable };
[[nodiscard]] std::string_view name_of(AuthFailure failure) noexcept;

/// Signs and verifies the messages of one control connection. A nonce that has not been sent or received yet
/// counts as empty.
class ControlAuth {
  public:
    ControlAuth(std::shared_ptr<const ControlKeys> keys, DigestType type)
        : keys_(std::move(keys)), type_(type) {}

    void set_local_nonce(Bytes nonce) { local_nonce_.assign(nonce.begin(), nonce.end()); }
    void set_remote_nonce(Bytes nonce) { remote_nonce_.assign(nonce.begin(), nonce.end()); }
    /// The secret that the peer was found to have (Verified::secret): its digest goes first, and values are
    /// hidden with it.
    void prefer(std::size_t secret) noexcept { preferred_ = secret; }
    /// Other secrets from now on, for the same connection. False: the one that the peer was found to have is not among
    /// them; nothing is changed.
    [[nodiscard]] bool change_keys(std::shared_ptr<const ControlKeys> keys);

    /// A whole message (header, AVPs) with a digest for each secret. `body`: as emit_body() gives it, without
    /// digests. To be done for each transmission, since Nr changes.
    [[nodiscard]] std::vector<std::uint8_t> sign(const ControlHeader& header, Bytes body) const;

    /// `packet` before anything else in it is believed. In an SCCRP the sender's nonce is taken from the message
    /// itself; remember it with set_remote_nonce() once this succeeds. Takes the same time whichever secret fits.
    [[nodiscard]] Result<Verified, AuthFailure> verify(const ControlPacket& packet) const;

    /// For emit_body() and, with Verified::secret, for parse_body().
    [[nodiscard]] AvpHider hider() const noexcept { return keys_->hider(preferred_); }
    [[nodiscard]] AvpHider hider(std::size_t secret) const noexcept { return keys_->hider(secret); }

  private:
    [[nodiscard]] std::vector<std::uint8_t> digest(DigestType type, std::size_t secret, Bytes first_nonce,
                                                   Bytes second_nonce, Bytes message) const;

    std::shared_ptr<const ControlKeys> keys_;
    DigestType type_;
    std::size_t preferred_ = 0;
    std::vector<std::uint8_t> local_nonce_;
    std::vector<std::uint8_t> remote_nonce_;
};

/// A whole message without digests, for control connections without a secret.
[[nodiscard]] std::vector<std::uint8_t> plain_message(const ControlHeader& header, Bytes body);
/// What goes on the wire: over IP behind a zero word.
[[nodiscard]] std::vector<std::uint8_t> wire_form(Encapsulation encapsulation,
                                                  std::vector<std::uint8_t> message);

}  // namespace isthmus::tunnel
