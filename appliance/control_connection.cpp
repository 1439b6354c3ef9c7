#include "appliance/control_connection.h"

#include <chrono>
#include <istream>
#include <nlohmann/json.hpp>

namespace isthmus::appliance {

namespace {

using json = nlohmann::json;

constexpr std::size_t kMaxRequest = 64 * 1024;
constexpr std::size_t kMaxWaiting = 1'024;  ///< lines for a client that reads slowly
constexpr std::chrono::seconds kPatience{10};

/// What a handler holds: the connection may go before it.
class Stream final : public AnswerStream {
  public:
    explicit Stream(std::weak_ptr<ControlConnection> connection) : connection_(std::move(connection)) {}
    ~Stream() override { end({}); }
    bool send(const json& part) override {
        const auto connection = connection_.lock();
        return connection && connection->send_part(part);
    }
    void end(Result<void, std::string> outcome) override {
        if (const auto connection = connection_.lock()) connection->end_stream(outcome);
        connection_.reset();
    }

  private:
    std::weak_ptr<ControlConnection> connection_;
};

bool is_request(const json& line) {
    return line.is_object() && line.contains("request") && line["request"].is_string();
}

json error_line(const std::string& sentence) {
    return {{"ok", false}, {"error", sentence}};
}

}  // namespace

ControlConnection::ControlConnection(Socket socket, const Commands& commands,
                                     std::shared_ptr<std::size_t> count)
    : socket_(std::move(socket)),
      timer_(socket_.get_executor()),
      input_(kMaxRequest),
      commands_(commands),
      count_(std::move(count)) {
    ++*count_;
}

void ControlConnection::read() {
    timer_.expires_after(kPatience);
    timer_.async_wait([self = shared_from_this()](ErrorCode error) {
        if (!error && !self->streaming_) self->close();
    });
    asio::async_read_until(socket_, input_, '\n', [self = shared_from_this()](ErrorCode error, std::size_t) {
        if (error) return self->close();
        std::istream stream(&self->input_);
        std::string line;
        std::getline(stream, line);
        self->answer(line);
    });
}

void ControlConnection::answer(const std::string& line) {
    const json request = json::parse(line, nullptr, false);
    if (!is_request(request)) {
        say(error_line("a request is one line of JSON, as in {\"request\": \"status\"}"));
    } else if (commands_.is_stream(request["request"])) {
        return begin_stream(request);
    } else {
        auto result = commands_.answer(request);
        say(result ? json{{"ok", true}, {"result", std::move(*result)}} : error_line(result.error()));
    }
    read();
}

void ControlConnection::begin_stream(const json& request) {
    streaming_ = true;
    timer_.cancel();
    const auto stream = std::make_shared<Stream>(weak_from_this());
    const auto begun = commands_.answer(request, stream);
    if (!begun) return stream->end(Unexpected(begun.error()));
    if (streaming_) watch_for_goodbye();
}

/// Whatever comes meanwhile, or the end of it, ends the stream.
void ControlConnection::watch_for_goodbye() {
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](ErrorCode) {
        if (self->streaming_) self->close();
    });
}

bool ControlConnection::send_part(const json& part) {
    if (!streaming_ || !socket_.is_open()) return false;
    if (output_.size() >= kMaxWaiting) {
        ++left_out_;
        return true;
    }
    if (left_out_ > 0) say({{"ok", true}, {"left_out", std::exchange(left_out_, 0)}});
    say({{"ok", true}, {"part", part}});
    return true;
}

void ControlConnection::end_stream(const Result<void, std::string>& outcome) {
    if (!streaming_) return;
    streaming_ = false;
    say(outcome ? json{{"ok", true}, {"end", true}} : error_line(outcome.error()));
    read();
}

void ControlConnection::say(const json& line) {
    output_.push_back(line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
    if (output_.size() == 1) write();
}

void ControlConnection::write() {
    asio::async_write(socket_, asio::buffer(output_.front()),
                      [self = shared_from_this()](ErrorCode error, std::size_t) {
                          if (error) return self->close();
                          self->output_.pop_front();
                          if (!self->output_.empty()) self->write();
                      });
}

void ControlConnection::close() {
    streaming_ = false;
    timer_.cancel();
    ErrorCode ignored;
    socket_.close(ignored);
}

}  // namespace isthmus::appliance
