// Which cryptographic library seals and opens: as asked for, or the one that is faster here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/packet_cipher.h"

namespace isthmus::crypto::io {

enum class ProviderWish : std::uint8_t { automatic, openssl, ipsec_mb };

struct ProviderFigure {
    ProviderKind kind;
    double megabytes_per_second;  ///< sealing 1,400-byte packets in batches of 32
};

struct ProviderChoice {
    ProviderKind kind;
    std::vector<ProviderFigure> figures;  ///< what was measured; empty if nothing was
    std::string why;                      ///< one sentence for the log
};

/// Every candidate runs the self-test of all suites first; with `automatic` each then seals for 20 ms with
/// `suite`. Then call make_provider(kind) once per worker. Error: a sentence saying why none can be used.
/// `make` is for tests.
using MakeProvider = std::function<Result<std::unique_ptr<CipherProvider>, std::string>(ProviderKind)>;
[[nodiscard]] Result<ProviderChoice, std::string> choose_provider(ProviderWish wish, esp::Suite suite,
                                                                  const MakeProvider& make = make_provider);

}  // namespace isthmus::crypto::io
