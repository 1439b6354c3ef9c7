// Host names to addresses, without holding up the control thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "appliance/asio.h"
#include "base/address.h"
#include "base/result.h"

namespace isthmus::appliance {

/// Asks the system's resolver in threads of its own, at most kAtOnce at a time; the others wait their turn. Nothing is
/// remembered: each call asks anew. An answer that is still on its way when the Resolver goes is dropped.
class Resolver {
  public:
    static constexpr std::size_t kAtOnce = 4;

    /// In the resolver's order, without duplicates. Error: a sentence that names the host.
    using Answer = Result<std::vector<IpAddress>, std::string>;
    using Lookup = std::function<Answer(const std::string& host)>;

    /// `lookup` may block, and is called from several threads.
    explicit Resolver(asio::io_context& io, Lookup lookup = system_lookup);
    ~Resolver();

    /// `done` is called from the io_context, never in this call. An address in text is its own answer.
    void resolve(const std::string& host, std::function<void(Answer)> done);

    /// getaddrinfo(3).
    [[nodiscard]] static Answer system_lookup(const std::string& host);

  private:
    struct Shared;
    void wait();
    void start_next();
    void take_answers();

    asio::posix::stream_descriptor descriptor_;
    std::shared_ptr<Shared> shared_;  ///< with the threads
};

}  // namespace isthmus::appliance
