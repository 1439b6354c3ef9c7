#include "tunnel/vccv.h"

namespace isthmus::tunnel {

namespace {
constexpr std::uint32_t kVersionMask = 0x0f00'0000;
}  // namespace

bool channel_usable(const SessionOptions& session, const std::optional<VccvCapability>& vccv,
                    const std::optional<VccvCapability>& own) noexcept {
    const bool sublayer_out = session.send_sublayer == Sublayer::standard;
    const bool sublayer_in = session.receive_sublayer == Sublayer::standard;
    const auto has_channel = [](const std::optional<VccvCapability>& c) {
        return c && (c->channels & VccvCapability::kSublayerChannel) != 0 &&
               (c->verifications & (VccvCapability::kBfd | VccvCapability::kEcho)) != 0;
    };
    if (has_channel(vccv) && sublayer_out && sublayer_in) return true;
    return has_channel(own) && (sublayer_out || session.remote_cookie.size != 0) &&
           (sublayer_in || session.local_cookie.size != 0);
}

std::optional<ChannelMessage> ChannelMessage::parse(Bytes message) noexcept {
    if (message.size() < kChannelWordSize) return std::nullopt;
    const std::uint32_t word = load_be32(message.data());
    if ((word & kChannelBit) == 0 || (word & kVersionMask) != 0) return std::nullopt;
    return ChannelMessage{ChannelType{static_cast<std::uint16_t>(word)}, message.subspan(kChannelWordSize)};
}

std::vector<std::uint8_t> ChannelMessage::emit() const {
    ByteWriter out;
    out.u32(kChannelBit | static_cast<std::uint32_t>(type)).bytes(payload);
    return std::move(out).take();
}

}  // namespace isthmus::tunnel
