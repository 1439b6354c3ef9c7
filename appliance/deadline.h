// One timer at a TimePoint: what next_timeout() of an engine asks for.
#pragma once

#include <functional>
#include <optional>

#include "appliance/asio.h"
#include "appliance/clock.h"

namespace isthmus::appliance {

class Deadline {
  public:
    /// `on_due` is called with the time once a deadline is over; it has to be armed again.
    Deadline(asio::io_context& io, std::function<void(TimePoint now)> on_due)
        : timer_(io), on_due_(std::move(on_due)) {}

    /// Replaces what was armed before. nullopt: nothing is due. One that is over already is due at once, not in this call.
    void arm(std::optional<TimePoint> when) {
        if (when == armed_) return;
        armed_ = when;
        if (!when) {
            timer_.cancel();
            return;
        }
        timer_.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(*when - boot_now()));
        timer_.async_wait([this, when](ErrorCode error) {
            if (error || armed_ != when) return;
            armed_.reset();
            const TimePoint now = boot_now();
            // After a suspend the two clocks differ; early calls are harmless to engines, but would spin here.
            if (now < *when) return arm(when);
            on_due_(now);
        });
    }

  private:
    asio::steady_timer timer_;
    std::function<void(TimePoint)> on_due_;
    std::optional<TimePoint> armed_;
};

}  // namespace isthmus::appliance
