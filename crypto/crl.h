// Certificate revocation lists (RFC 5280 section 5).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"

namespace isthmus::crypto {

/// A parsed list; cheap to copy. Parsing says nothing about trust: see signed_by().
class Crl {
  public:
    /// DER, one list and nothing behind it. Error: a sentence.
    [[nodiscard]] static Result<Crl, std::string> from_der(Bytes der);
    /// All lists of a PEM text, in order; at least one. Error: a sentence naming which.
    [[nodiscard]] static Result<std::vector<Crl>, std::string> from_pem(Bytes pem);

    [[nodiscard]] std::string issuer() const;  ///< for people, as Certificate::subject()
    [[nodiscard]] WallTime this_update() const noexcept;
    [[nodiscard]] std::optional<WallTime> next_update() const noexcept;

    /// Is it the list of this authority: same name, may sign lists (key usage), and the signature is good.
    [[nodiscard]] bool signed_by(const Certificate& authority) const;

    struct Entry {
        std::string serial;  ///< hex, as Certificate::serial()
        WallTime revoked_at{};
        std::string reason;  ///< "key compromise"; empty if none is given
        friend bool operator==(const Entry&, const Entry&) = default;
    };
    /// By issuer and serial number.
    [[nodiscard]] std::optional<Entry> find(const Certificate& certificate) const;
    [[nodiscard]] std::vector<Entry> entries() const;
    /// Of the list itself (RFC 5280 section 5.2.3); 0: it has none, or one beyond 64 bits.
    [[nodiscard]] std::uint64_t number() const;

  private:
    struct State;
    explicit Crl(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

}  // namespace isthmus::crypto
