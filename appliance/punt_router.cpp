#include "appliance/punt_router.h"

#include "appliance/clock.h"

namespace isthmus::appliance {

PuntRouter::PuntRouter(asio::io_context& io, Doorbell& bell, std::vector<Source> sources)
    : descriptor_(io), bell_(bell), sources_(std::move(sources)) {}

void PuntRouter::start() {
    descriptor_.assign(bell_.fd());
    wait();
}

void PuntRouter::stop() {
    if (descriptor_.is_open()) descriptor_.release();
}

void PuntRouter::wait() {
    descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
        if (error) return;
        bell_.answer();
        drain();
        wait();
    });
}

void PuntRouter::drain() {
    const TimePoint now = boot_now();
    for (Source& source : sources_) {
        source.rings.drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage& message) {
            const auto at = static_cast<std::size_t>(c);
            ++received_[at];
            if (handlers_[at])
                handlers_[at](message, source.origin, now);
            else
                ++unheard_[at];
        });
    }
}

std::uint64_t PuntRouter::overflows(PuntClass c) const noexcept {
    std::uint64_t sum = 0;
    for (const Source& source : sources_) sum += source.rings.overflows(c);
    return sum;
}

}  // namespace isthmus::appliance
