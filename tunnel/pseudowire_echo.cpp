#include "tunnel/pseudowire_echo.h"

#include <algorithm>

namespace isthmus::tunnel {

namespace {
constexpr std::uint8_t kVersion = 1;
}  // namespace

Result<EchoPacket, std::string_view> EchoPacket::parse(Bytes payload) noexcept {
    const auto wrong = [](std::string_view text) { return Unexpected(text); };
    if (payload.size() < kHeaderSize) return wrong("shorter than the 12 bytes of an echo");
    if (payload[0] != kVersion) return wrong("Version is not 1");
    if (payload[1] != 1 && payload[1] != 2) return wrong("Kind is neither request (1) nor reply (2)");
    return EchoPacket{Kind{payload[1]}, load_be16(payload.data() + 2), load_be64(payload.data() + 4),
                      payload.subspan(kHeaderSize)};
}

std::vector<std::uint8_t> EchoPacket::emit() const {
    ByteWriter out;
    out.u8(kVersion).u8(static_cast<std::uint8_t>(kind)).u16(sequence).u64(token).bytes(padding);
    return std::move(out).take();
}

PseudowirePing::PseudowirePing(PingOptions options, Rng& rng, TimePoint now)
    : options_(options), token_(rng.u64()), padding_(options.padding) {
    options_.count = std::max<std::uint16_t>(options_.count, 1);
    rng.fill(padding_);
    send(now);
}

void PseudowirePing::send(TimePoint now) {
    const std::uint16_t sequence = result_.sent++;
    actions_.emplace_back(PingSend{EchoPacket{EchoPacket::Kind::request, sequence, token_, padding_}.emit()});
    waiting_.push_back({sequence, now});
    next_send_ = now + options_.interval;
}

void PseudowirePing::on_reply(const EchoPacket& packet, TimePoint now) {
    if (packet.kind != EchoPacket::Kind::reply || packet.token != token_ || finished_) return;
    const auto at =
        std::ranges::find_if(waiting_, [&](const Waiting& w) { return w.sequence == packet.sequence; });
    if (at == waiting_.end() || !std::ranges::equal(packet.padding, padding_)) return;
    const Duration round_trip = now - at->sent;
    waiting_.erase(at);
    result_.least = result_.received == 0 ? round_trip : std::min(result_.least, round_trip);
    result_.most = std::max(result_.most, round_trip);
    sum_ += round_trip;
    ++result_.received;
    actions_.emplace_back(PingOutcome{packet.sequence, round_trip});
    finish_if_done();
}

void PseudowirePing::on_timeout(TimePoint now) {
    if (finished_) return;
    while (!waiting_.empty() && waiting_.front().sent + options_.patience <= now) {
        actions_.emplace_back(PingOutcome{waiting_.front().sequence, std::nullopt});
        waiting_.pop_front();
    }
    if (result_.sent < options_.count && next_send_ <= now) send(now);
    finish_if_done();
}

void PseudowirePing::give_up() {
    options_.count = result_.sent;
    for (const Waiting& waiting : waiting_)
        actions_.emplace_back(PingOutcome{waiting.sequence, std::nullopt});
    waiting_.clear();
    finish_if_done();
}

std::optional<TimePoint> PseudowirePing::next_timeout() const {
    if (finished_) return std::nullopt;
    std::optional<TimePoint> out;
    if (result_.sent < options_.count) out = next_send_;
    if (!waiting_.empty()) {
        const TimePoint lost = waiting_.front().sent + options_.patience;
        out = out ? std::min(*out, lost) : lost;
    }
    return out;
}

std::optional<PingAction> PseudowirePing::poll_action() {
    if (actions_.empty()) return std::nullopt;
    PingAction out = std::move(actions_.front());
    actions_.pop_front();
    return out;
}

void PseudowirePing::finish_if_done() {
    if (finished_ || result_.sent < options_.count || !waiting_.empty()) return;
    finished_ = true;
    if (result_.received > 0) result_.mean = sum_ / result_.received;
    actions_.emplace_back(result_);
}

}  // namespace isthmus::tunnel
