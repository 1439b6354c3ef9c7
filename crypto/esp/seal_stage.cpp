#include "crypto/esp/seal_stage.h"

namespace isthmus::crypto::esp {

// Runs of packets for one SA go to the cipher together; a run ends where the SA changes or the scratch is
// full.
void SealStage::process(PacketBatch& batch, TimePoint /*now*/) noexcept {
    std::array<PacketBuffer*, kJobsAtOnce> run;
    std::size_t length = 0;
    OutboundSa* sa = nullptr;
    const auto flush = [&] {
        if (length > 0) sa->seal({run.data(), length}, *scratch_);
        length = 0;
    };
    for (PacketBuffer& packet : batch) {
        if (packet.meta.drop != DropReason::none) continue;
        OutboundSa* wanted = sa_for(packet.meta.tunnel);
        if (wanted == nullptr) {
            packet.meta.drop = DropReason::esp_no_sa;
            continue;
        }
        if (wanted != sa || length == run.size()) flush();
        sa = wanted;
        run[length++] = &packet;
    }
    flush();
}

OutboundSa* SealStage::sa_for(TunnelIndex tunnel) const noexcept {
    if (table_ == nullptr || raw(tunnel) >= table_->by_tunnel.size()) return nullptr;
    return table_->by_tunnel[raw(tunnel)].get();
}

}  // namespace isthmus::crypto::esp
