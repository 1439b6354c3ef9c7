// One connected client of the control socket.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "appliance/asio.h"
#include "appliance/commands.h"

namespace isthmus::appliance {

/// Lives in its own callbacks, and as long as somebody streams to it.
class ControlConnection final : public std::enable_shared_from_this<ControlConnection> {
  public:
    using Socket = asio::local::stream_protocol::socket;
    /// `count` of connections goes up, and down again with this one.
    ControlConnection(Socket socket, const Commands& commands, std::shared_ptr<std::size_t> count);
    ~ControlConnection() { --*count_; }
    ControlConnection(const ControlConnection&) = delete;
    ControlConnection& operator=(const ControlConnection&) = delete;

    /// Waits for a request, answers it, and so on.
    void read();

    // Streams:
    bool send_part(const nlohmann::json& part);
    void end_stream(const Result<void, std::string>& outcome);

  private:
    void answer(const std::string& line);
    void begin_stream(const nlohmann::json& request);
    void watch_for_goodbye();
    void say(const nlohmann::json& line);
    void write();
    void close();

    Socket socket_;
    asio::steady_timer timer_;
    asio::streambuf input_;
    std::deque<std::string> output_;  ///< the first one is on its way
    const Commands& commands_;
    std::shared_ptr<std::size_t> count_;
    bool streaming_ = false;
    std::size_t left_out_ = 0;  ///< parts that found no room
};

}  // namespace isthmus::appliance
