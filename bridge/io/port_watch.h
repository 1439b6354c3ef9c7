// Watches one LAN port for the few frames that the guard wants to see, whatever the bridge or the packet filter does with them.
// A filter in the kernel lets through spanning trees' frames, the guard's own, and gateways' hellos: a storm does not reach the watcher.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::bridge {

class PortWatch {
  public:
    /// Error: a sentence.
    [[nodiscard]] static Result<PortWatch, std::string> open(const std::string& interface);
    PortWatch(PortWatch&&) noexcept;
    PortWatch& operator=(PortWatch&&) noexcept;
    ~PortWatch();

    [[nodiscard]] int fd() const noexcept;  ///< poll for reading
    /// Hands over what has arrived from outside since the last call, tags in place, at most `most` frames; what our own host sent out of
    /// the port is not among it. Error: the interface has gone.
    [[nodiscard]] Result<std::size_t, std::string> read(std::size_t most,
                                                        const std::function<void(Bytes frame)>& each);
    /// A whole frame, tags in place, out of the port: past the bridge, and through packet filters that let the guard pass. Error: a
    /// sentence.
    [[nodiscard]] Result<void, std::string> send(Bytes frame);
    /// Frames that found no room on the way here.
    [[nodiscard]] std::uint64_t lost() const;

    /// What open() installs, for tests and people: tcpdump takes it too.
    [[nodiscard]] static const char* filter() noexcept;

  private:
    struct Handle;
    explicit PortWatch(std::unique_ptr<Handle> handle);
    std::unique_ptr<Handle> handle_;
};

}  // namespace isthmus::bridge
