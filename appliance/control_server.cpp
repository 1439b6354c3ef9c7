#include "appliance/control_server.h"

#include <sys/stat.h>
#include <sys/un.h>

#include "appliance/control_connection.h"

namespace isthmus::appliance {

namespace {

using Socket = ControlConnection::Socket;

constexpr std::size_t kMaxClients = 16;

class Listener final : public ControlServer {
  public:
    Listener(asio::io_context& io, std::filesystem::path path, const Commands& commands)
        : path_(std::move(path)), acceptor_(io), commands_(commands) {}
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
                std::make_shared<ControlConnection>(std::move(socket), commands_, count_)->read();
            accept();
        });
    }

    std::filesystem::path path_;
    asio::local::stream_protocol::acceptor acceptor_;
    const Commands& commands_;
    std::shared_ptr<std::size_t> count_ = std::make_shared<std::size_t>(0);
    bool bound_ = false;
};

}  // namespace

Result<std::unique_ptr<ControlServer>, std::string> ControlServer::listen(asio::io_context& io,
                                                                          const std::filesystem::path& path,
                                                                          const Commands& commands) {
    auto listener = std::make_unique<Listener>(io, path, commands);
    if (auto opened = listener->open(); !opened) return Unexpected(opened.error());
    return std::unique_ptr<ControlServer>(std::move(listener));
}

}  // namespace isthmus::appliance
