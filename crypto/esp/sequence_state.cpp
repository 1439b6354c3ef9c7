#include "crypto/esp/sequence_state.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "crypto/digest.h"

namespace isthmus::crypto::esp {

namespace {

constexpr std::string_view kTitle = "isthmus sa state 1\n";
constexpr std::size_t kCheckBytes = 16;

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string check_line(std::string_view above) {
    const auto hash = digest(Hash::sha256, bytes_of(above));
    return "check " + to_hex(Bytes(hash).first(kCheckBytes)) + "\n";
}

std::string spi_text(Spi spi) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%08x", raw(spi));
    return text.data();
}

/// Takes lines "name value\n" from the front of a text.
class Lines {
  public:
    explicit Lines(std::string_view text) : rest_(text) {}

    std::optional<std::string_view> value(std::string_view name) {
        const std::size_t end = rest_.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view line = rest_.substr(0, end);
        if (line.size() < name.size() + 2 || !line.starts_with(name) || line[name.size()] != ' ')
            return std::nullopt;
        rest_.remove_prefix(end + 1);
        return line.substr(name.size() + 1);
    }

  private:
    std::string_view rest_;
};

template <class T>
std::optional<T> number(std::string_view text, int base) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<SequenceState> read_fields(std::string_view text) {
    Lines lines(text);
    const auto direction = lines.value("direction");
    const auto spi = lines.value("spi");
    const auto fingerprint = lines.value("fingerprint");
    const auto sequence = lines.value("sequence");
    if (!direction || !spi || !fingerprint || !sequence || !spi->starts_with("0x")) return std::nullopt;

    const auto spi_value = number<std::uint32_t>(spi->substr(2), 16);
    const auto hash = from_hex(*fingerprint);
    const auto sequence_value = number<std::uint64_t>(*sequence, 10);
    SequenceState state;
    if (!spi_value || !hash || hash->size() != state.identity.fingerprint.size() || !sequence_value)
        return std::nullopt;
    state.identity.direction = *direction == "out" ? SaDirection::out : SaDirection::in;
    state.identity.spi = Spi{*spi_value};
    std::ranges::copy(*hash, state.identity.fingerprint.begin());
    state.sequence = *sequence_value;
    return state;
}

}  // namespace

KeyFingerprint fingerprint_of(const SecretBytes& key) {
    constexpr std::string_view kLabel = "isthmus sa state: which key";
    const auto mac = hmac(Hash::sha256, key.reveal(), {bytes_of(kLabel)});
    KeyFingerprint fingerprint;
    std::ranges::copy(mac, fingerprint.begin());
    return fingerprint;
}

SaIdentity identity_of(const SaOptions& options, SaDirection direction) {
    return {direction, options.spi, fingerprint_of(options.key)};
}

std::string SequenceState::emit() const {
    std::string text(kTitle);
    text += identity.direction == SaDirection::out ? "direction out\n" : "direction in\n";
    text += "spi " + spi_text(identity.spi) + "\n";
    text += "fingerprint " + to_hex(identity.fingerprint) + "\n";
    text += "sequence " + std::to_string(sequence) + "\n";
    return text + check_line(text);
}

Result<SequenceState, std::string> SequenceState::parse(Bytes file) {
    const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
    const std::string damaged = "the state file is damaged: ";
    if (!text.starts_with(kTitle))
        return Unexpected(damaged + "it does not begin with \"isthmus sa state 1\"");
    const auto state = read_fields(text.substr(kTitle.size()));
    if (!state) return Unexpected(damaged + "a line is missing or unreadable");
    // One form only: whatever differs from what we would write, the check line included, was not written by
    // us.
    if (state->emit() != text) return Unexpected(damaged + "its check sum is wrong");
    return *state;
}

Result<SequenceState, std::string> resume(Bytes file, const SaIdentity& identity) {
    auto state = SequenceState::parse(file);
    if (!state) return state;
    const SaIdentity& found = state->identity;
    if (found.direction != identity.direction)
        return Unexpected(std::string("the state file belongs to the other direction"));
    if (found.spi != identity.spi)
        return Unexpected("the state file belongs to SPI " + spi_text(found.spi) + ", not " +
                          spi_text(identity.spi));
    if (found.fingerprint != identity.fingerprint)
        return Unexpected(std::string("the state file belongs to another key under the same SPI"));
    return state;
}

std::optional<SequenceReservation> SequenceReservation::after(std::uint64_t used_through,
                                                              bool extended_sequence) noexcept {
    const std::uint64_t last = last_sequence_of(extended_sequence);
    if (used_through >= last) return std::nullopt;
    return SequenceReservation(used_through, last, extended_sequence ? kExtendedBlock : kShortBlock);
}

std::optional<std::uint64_t> SequenceReservation::wanted(std::uint64_t last_used) const noexcept {
    const bool nothing_yet = limit_ < first_;
    const std::uint64_t left = last_used < limit_ ? limit_ - last_used : 0;
    if (limit_ == last_ || (!nothing_yet && left >= block_ / 2)) return std::nullopt;
    const std::uint64_t room = last_ - limit_;
    return limit_ + std::min(room, block_);
}

void SequenceReservation::on_written(std::uint64_t reserved_through) noexcept {
    limit_ = std::max(limit_, std::min(reserved_through, last_));
}

}  // namespace isthmus::crypto::esp
