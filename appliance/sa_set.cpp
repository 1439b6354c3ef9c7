#include "appliance/sa_set.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace isthmus::appliance {

Result<void, std::string> SaSet::install(InboundUse use) {
    if (has_inbound(use.sa->spi())) {
        std::array<char, 16> spi{};
        std::snprintf(spi.data(), spi.size(), "0x%08x", raw(use.sa->spi()));
        return Unexpected("an SA with SPI " + std::string(spi.data()) + " receives already");
    }
    inbound_.push_back(std::move(use));
    ++revision_;
    return {};
}

void SaSet::use(OutboundUse use) {
    outbound_ = std::move(use);
    ++revision_;
}

void SaSet::reroute(const EspWay& way) {
    if (!outbound_ || outbound_->way == way) return;
    outbound_->way = way;
    ++revision_;
}

bool SaSet::retire(Spi inbound) {
    const auto gone = std::find_if(inbound_.begin(), inbound_.end(),
                                   [&](const InboundUse& u) { return u.sa->spi() == inbound; });
    if (gone == inbound_.end()) return false;
    inbound_.erase(gone);
    ++revision_;
    return true;
}

void SaSet::clear() {
    if (inbound_.empty() && !outbound_) return;
    inbound_.clear();
    outbound_.reset();
    ++revision_;
}

bool SaSet::has_inbound(Spi spi) const noexcept {
    return std::any_of(inbound_.begin(), inbound_.end(),
                       [&](const InboundUse& u) { return u.sa->spi() == spi; });
}

std::optional<SaUsage> SaSet::usage_of_outbound() const {
    if (!outbound_) return std::nullopt;
    const crypto::esp::OutboundSa& sa = *outbound_->sa;
    return SaUsage{sa.spi(), sa.counters().packets.read(), sa.counters().bytes.read(), sa.last_sequence(),
                   std::nullopt};
}

std::optional<SaUsage> SaSet::usage_of_inbound(Spi spi) const {
    for (const InboundUse& use : inbound_) {
        const crypto::esp::InboundSa& sa = *use.sa;
        if (sa.spi() != spi) continue;
        return SaUsage{spi, sa.counters().packets.read(), sa.counters().bytes.read(), sa.highest_sequence(),
                       sa.last_heard()};
    }
    return std::nullopt;
}

bool SaSet::stopped_by_bug() const noexcept {
    if (outbound_ && outbound_->sa->stopped_by_bug()) return true;
    return std::any_of(inbound_.begin(), inbound_.end(),
                       [](const InboundUse& u) { return u.sa->stopped_by_bug(); });
}

}  // namespace isthmus::appliance
