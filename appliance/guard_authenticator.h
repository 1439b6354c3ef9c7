// HMAC-SHA256 for the guard's frames.
#pragma once

#include "crypto/secret_bytes.h"
#include "stp-guard/guard_frame.h"

namespace isthmus::appliance {

class GuardAuthenticator final : public stp_guard::FrameAuthenticator {
  public:
    /// `domain_key`: what the domain's gateways share, or random bytes where there is nobody to share with.
    explicit GuardAuthenticator(Bytes domain_key);
    [[nodiscard]] Tag tag(Bytes payload_before_tag) const override;

  private:
    crypto::SecretBytes key_;
};

}  // namespace isthmus::appliance
