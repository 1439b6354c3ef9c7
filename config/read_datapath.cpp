#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using Library = std::pair<std::string_view, CipherLibrary>;
constexpr std::array kLibraries{Library{"auto", CipherLibrary::automatic},
                                Library{"openssl", CipherLibrary::openssl},
                                Library{"ipsec-mb", CipherLibrary::ipsec_mb}};
/// Room for two full batches of the largest frames each way: with less, every burst loses frames.
constexpr std::uint32_t kLeastMemory = 12;
constexpr std::uint32_t kMostMemory = 1'024;
constexpr std::uint32_t kLongestPoll = 1'000;

}  // namespace

DatapathConfig read_datapath(const Section* section) {
    DatapathConfig datapath;
    if (section == nullptr) return datapath;
    datapath.crypto = section->choice<CipherLibrary>("crypto", kLibraries).value_or(datapath.crypto);
    datapath.packet_memory =
        section->integer("packet_memory", kLeastMemory, kMostMemory).value_or(datapath.packet_memory);
    datapath.poll_microseconds =
        section->integer("poll", 0, kLongestPoll).value_or(datapath.poll_microseconds);
    return datapath;
}

}  // namespace isthmus::config
