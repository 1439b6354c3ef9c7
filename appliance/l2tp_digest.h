// MD5 and SHA-1 for L2TPv3's control messages, by OpenSSL.
#pragma once

#include "tunnel/control_digest.h"

namespace isthmus::appliance {

class L2tpDigest final : public tunnel::ControlDigest {
  public:
    [[nodiscard]] tunnel::Md5Digest md5(std::initializer_list<Bytes> parts) const override;
    [[nodiscard]] tunnel::Md5Digest hmac_md5(Bytes key, std::initializer_list<Bytes> parts) const override;
    [[nodiscard]] tunnel::Sha1Digest hmac_sha1(Bytes key, std::initializer_list<Bytes> parts) const override;
};

}  // namespace isthmus::appliance
