#include "crypto/ike/other_version.h"

#include "crypto/ike/messages.h"

namespace isthmus::crypto::ike::other_version {

namespace {

constexpr std::size_t kVersionAt = 17;
constexpr std::size_t kExchangeAt = 18;
constexpr std::size_t kFlagsAt = 19;
constexpr std::size_t kMessageIdAt = 20;
constexpr std::uint8_t kInitiatorFlag = 0x08;
constexpr std::uint8_t kResponseFlag = 0x20;

std::string text_for(unsigned major, const Path& path) {
    const std::string from = "at " + path.remote.text() + " somebody speaks ";
    if (major == 1) return from + "IKEv1, and here is IKEv2 only: set that side to IKEv2";
    return from + "major version " + std::to_string(major) + " of IKE, and here is version 2 only";
}

/// Anybody can send this: only where nothing works with the peer it may be the reason.
void tell(Core& core, unsigned major, const Path& path) {
    if (!core.complaints.allows(core.now)) return;
    const std::string text = text_for(major, path);
    bool is_known = false;
    for (const auto& [name, peer] : core.peers) {
        if (!peer.is_at(path.remote.address)) continue;
        is_known = true;
        if (peer.works())
            core.note(NoteLevel::debug, name, text);
        else
            core.fail(name, text);
    }
    if (!is_known) core.note(NoteLevel::warning, "", text);
}

}  // namespace

void on_message(Core& core, Bytes datagram, const Path& path) {
    constexpr unsigned kOurs = 2;
    const unsigned major = datagram[kVersionAt] >> 4U;
    tell(core, major, path);
    const std::uint8_t flags = datagram[kFlagsAt];
    const bool is_request = (flags & kResponseFlag) == 0;
    if (major < kOurs || !is_request || !core.strangers.allows(core.now)) return;
    Header answer;
    answer.initiator_spi = IkeSpi{load_be64(datagram.data())};
    answer.responder_spi = IkeSpi{load_be64(datagram.data() + sizeof(IkeSpi))};
    answer.exchange = ExchangeType{datagram[kExchangeAt]};
    answer.from_initiator = (flags & kInitiatorFlag) == 0;
    answer.is_response = true;
    answer.message_id = MessageId{load_be32(datagram.data() + kMessageIdAt)};
    const std::vector<Payload> payloads{notify(NotifyType::invalid_major_version)};
    transmit_back(core, path, {emit_message(answer, payloads)});
}

}  // namespace isthmus::crypto::ike::other_version
