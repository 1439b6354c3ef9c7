// Hands what the workers punt to the control plane that it is for, as soon as it comes.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "appliance/asio.h"
#include "appliance/datapath/doorbell.h"
#include "base/punt.h"
#include "base/time.h"

namespace isthmus::appliance {

enum class PuntOrigin : std::uint8_t { lan, wan };

class PuntRouter {
  public:
    /// The message lives as long as the call.
    using Handler = std::function<void(const PuntMessage& message, PuntOrigin origin, TimePoint now)>;
    struct Source {
        PuntRings& rings;
        PuntOrigin origin;
    };

    /// All outlive this.
    PuntRouter(asio::io_context& io, Doorbell& bell, std::vector<Source> sources);
    ~PuntRouter() { stop(); }
    PuntRouter(const PuntRouter&) = delete;
    PuntRouter& operator=(const PuntRouter&) = delete;

    /// One handler a class; the last one wins.
    void on(PuntClass c, Handler handler) { handlers_[static_cast<std::size_t>(c)] = std::move(handler); }
    /// Listens to the bell from now on.
    void start();
    void stop();
    /// Empties the rings now.
    void drain();

    [[nodiscard]] std::uint64_t received(PuntClass c) const noexcept {
        return received_[static_cast<std::size_t>(c)];
    }
    /// Came, and nobody wanted it.
    [[nodiscard]] std::uint64_t unheard(PuntClass c) const noexcept {
        return unheard_[static_cast<std::size_t>(c)];
    }
    /// Found no room on the way here.
    [[nodiscard]] std::uint64_t overflows(PuntClass c) const noexcept;

  private:
    void wait();

    asio::posix::stream_descriptor descriptor_;
    Doorbell& bell_;
    std::vector<Source> sources_;
    std::array<Handler, kPuntClassCount> handlers_;
    std::array<std::uint64_t, kPuntClassCount> received_{};
    std::array<std::uint64_t, kPuntClassCount> unheard_{};
};

}  // namespace isthmus::appliance
