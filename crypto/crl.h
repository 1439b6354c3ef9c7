// Certificate revocation lists (RFC 5280 section 5).
#pragma once

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
    [[nodiscard]] std::size_t size() const noexcept;  ///< revoked certificates

    /// Is it the list of this authority: same name, may sign lists (key usage), and the signature is good.
    [[nodiscard]] bool signed_by(const Certificate& authority) const;

    struct Entry {
        WallTime revoked_at{};
        std::string reason;  ///< "key compromise"; empty if none is given
    };
    /// By issuer and serial number.
    [[nodiscard]] std::optional<Entry> find(const Certificate& certificate) const;

  private:
    struct State;
    explicit Crl(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

}  // namespace isthmus::crypto
