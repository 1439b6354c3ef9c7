#include "appliance/workers.h"

#include "appliance/view_builder.h"

namespace isthmus::appliance {

Result<std::unique_ptr<Workers>, std::string> Workers::make(const WorkerMemory& memory, Rng& rng) {
    std::unique_ptr<Workers> workers(new Workers(memory, rng));
    auto outbound = OutboundWorker::make(memory.outbound, workers->hosts_, workers->bell_);
    if (!outbound) return Unexpected(outbound.error());
    auto inbound = InboundWorker::make(memory.inbound, workers->hosts_,
                                       {workers->connection_ids_, workers->expected_spis_}, workers->bell_);
    if (!inbound) return Unexpected(inbound.error());
    workers->outbound_ = std::move(*outbound);
    workers->inbound_ = std::move(*inbound);
    workers->inbound_->help(*workers->outbound_);
    workers->outbound_->record_into(&workers->to_tunnel_frames_);
    workers->inbound_->record_into(&workers->from_tunnel_frames_);
    return workers;
}

void Workers::start(Patience patience) {
    outbound_->start(patience);
    inbound_->start(patience);
}

void Workers::stop() {
    outbound_->stop();
    inbound_->stop();
}

Result<void, std::string> Workers::publish(const Tunnels& tunnels, const Sessions& sessions) {
    std::string inputs = publication_key(tunnels, sessions);
    if (inputs == published_) return {};
    auto views = build_views(tunnels, sessions);
    if (!views) return Unexpected(views.error());
    outbound_->publish(std::move(views->outbound));
    inbound_->publish(std::move(views->inbound));
    published_ = std::move(inputs);
    return {};
}

}  // namespace isthmus::appliance
