#include "appliance/control_server.h"

#include <sys/stat.h>

#include <chrono>
#include <istream>
#include <nlohmann/json.hpp>

namespace isthmus::appliance {

namespace {

using Socket = asio::local::stream_protocol::socket;
using json = nlohmann::json;

constexpr std::size_t kMaxRequest = 64 * 1024;
constexpr std::size_t kMaxClients = 16;
constexpr std::chrono::seconds kPatience{10};

/// One connected client; lives in its own callbacks.
class Client : public std::enable_shared_from_this<Client> {
  public:
    Client(Socket socket, std::shared_ptr<const RequestHandler> handler, std::shared_ptr<std::size_t> count)
        : socket_(std::move(socket)),
          timer_(socket_.get_executor()),
          input_(kMaxRequest),
          handler_(std::move(handler)),
          count_(std::move(count)) {
        ++*count_;
    }
    ~Client() { --*count_; }

    void read() {
        timer_.expires_after(kPatience);
        timer_.async_wait([self = shared_from_this()](ErrorCode error) {
            if (!error) self->socket_.close(error);
        });
        asio::async_read_until(socket_, input_, '\n',
                               [self = shared_from_this()](ErrorCode error, std::size_t) {
                                   if (error) {
                                       self->timer_.cancel();
                                       return;
                                   }
                                   self->answer();
                               });
    }

  private:
    void answer() {
        std::istream stream(&input_);
        std::string line;
        std::getline(stream, line);
        output_ = reply_to(line).dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
        asio::async_write(socket_, asio::buffer(output_),
                          [self = shared_from_this()](ErrorCode error, std::size_t) {
                              self->timer_.cancel();
                              if (!error) self->read();
                          });
    }

    [[nodiscard]] json reply_to(const std::string& line) const {
        const json request = json::parse(line, nullptr, false);
        if (!request.is_object() || !request.contains("request") || !request["request"].is_string())
            return {{"ok", false},
                    {"error", "a request is one line of JSON, as in {\"request\": \"status\"}"}};
        auto result = (*handler_)(request);
        if (!result) return {{"ok", false}, {"error", result.error()}};
        return {{"ok", true}, {"result", std::move(*result)}};
    }

    Socket socket_;
    asio::steady_timer timer_;
    asio::streambuf input_;
    std::string output_;
    std::shared_ptr<const RequestHandler> handler_;
    std::shared_ptr<std::size_t> count_;
};

class Listener final : public ControlServer {
  public:
    Listener(asio::io_context& io, std::filesystem::path path, RequestHandler handler)
        : path_(std::move(path)),
          acceptor_(io),
          handler_(std::make_shared<const RequestHandler>(std::move(handler))) {}
    ~Listener() override {
        std::error_code ignored;
        if (bound_) std::filesystem::remove(path_, ignored);
    }

    Result<void, std::string> open() {
        std::error_code error;
        std::filesystem::create_directories(path_.parent_path(), error);
        if (error)
            return Unexpected("control_socket: folder of " + path_.string() +
                              " cannot be made: " + error.message());
        if (auto cleared = clear_leftover(); !cleared) return cleared;
        ErrorCode code;
        acceptor_.open(asio::local::stream_protocol(), code);
        // The umask must hold from the first instant: a socket that is open to all for a moment is open to all.
        const mode_t before = umask(0117);
        if (!code) acceptor_.bind(path_.string(), code);
        umask(before);
        if (!code) bound_ = true;
        if (!code) acceptor_.listen(asio::socket_base::max_listen_connections, code);
        if (code)
            return Unexpected("control_socket " + path_.string() + " cannot be opened: " + code.message());
        accept();
        return {};
    }

  private:
    Result<void, std::string> clear_leftover() {
        if (path_.string().size() >= sizeof(sockaddr_un{}.sun_path))
            return Unexpected("control_socket " + path_.string() +
                              " is too long; a Unix socket's path has at most 107 bytes");
        std::error_code error;
        const auto status = std::filesystem::symlink_status(path_, error);
        if (!std::filesystem::exists(status)) return {};
        if (!std::filesystem::is_socket(status))
            return Unexpected("control_socket " + path_.string() +
                              " is a file that is no socket; remove it or choose another path");
        Socket probe(acceptor_.get_executor());
        ErrorCode code;
        probe.connect(path_.string(), code);
        if (!code) return Unexpected("control_socket " + path_.string() + " is answered by another daemon");
        std::filesystem::remove(path_, error);
        return {};
    }

    void accept() {
        acceptor_.async_accept([this](ErrorCode error, Socket socket) {
            if (error == asio::error::operation_aborted) return;
            if (!error && *count_ < kMaxClients)
                std::make_shared<Client>(std::move(socket), handler_, count_)->read();
            accept();
        });
    }

    std::filesystem::path path_;
    asio::local::stream_protocol::acceptor acceptor_;
    std::shared_ptr<const RequestHandler> handler_;
    std::shared_ptr<std::size_t> count_ = std::make_shared<std::size_t>(0);
    bool bound_ = false;
};

}  // namespace

Result<std::unique_ptr<ControlServer>, std::string> ControlServer::listen(asio::io_context& io,
                                                                          const std::filesystem::path& path,
                                                                          RequestHandler handler) {
    auto listener = std::make_unique<Listener>(io, path, std::move(handler));
    if (auto opened = listener->open(); !opened) return Unexpected(opened.error());
    return std::unique_ptr<ControlServer>(std::move(listener));
}

}  // namespace isthmus::appliance
