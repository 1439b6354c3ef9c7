#include "appliance/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "appliance/file_descriptor.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;

constexpr int kPatienceMs = 5'000;

std::string why_not_connected(const std::filesystem::path& path, int error) {
    if (error == ENOENT || error == ECONNREFUSED)
        return "no isthmusd answers at " + path.string() +
               "; is it running, and is that its control_socket (--socket PATH)?";
    if (error == EACCES || error == EPERM)
        return "not allowed to ask isthmusd at " + path.string() + "; try sudo";
    return "cannot connect to " + path.string() + ": " + std::strerror(error);
}

/// A connected socket, read line by line.
class Line {
  public:
    static Result<Line, std::string> connect_to(const std::filesystem::path& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.string().size() >= sizeof address.sun_path)
            return Unexpected("socket path " + path.string() + " is too long; at most 107 bytes");
        path.string().copy(address.sun_path, sizeof address.sun_path - 1);
        FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (connect(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            return Unexpected(why_not_connected(path, errno));
        return Line(path.string(), std::move(fd));
    }

    Result<void, std::string> say(const json& request) {
        const std::string line = request.dump() + "\n";
        if (send(fd_.value(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
            return Unexpected(peer_ + " closed the connection");
        return {};
    }

    /// The next answer that says ok. `patience_ms` < 0: waits for ever.
    Result<json, std::string> hear(int patience_ms) {
        while (input_.find('\n') == std::string::npos) {
            pollfd wait{fd_.value(), POLLIN, 0};
            if (poll(&wait, 1, patience_ms) <= 0) return Unexpected(peer_ + " does not answer");
            std::array<char, 65536> chunk;
            const auto n = recv(fd_.value(), chunk.data(), chunk.size(), 0);
            if (n <= 0) return Unexpected(peer_ + " closed the connection");
            input_.append(chunk.data(), static_cast<std::size_t>(n));
        }
        const auto end = input_.find('\n');
        json reply = json::parse(input_.substr(0, end), nullptr, false);
        input_.erase(0, end + 1);
        if (!reply.is_object()) return Unexpected(peer_ + " gave an answer that is no JSON object");
        if (!reply.value("ok", false)) return Unexpected(reply.value("error", std::string("unknown error")));
        return reply;
    }

  private:
    Line(const std::string& path, FileDescriptor fd) : peer_("isthmusd at " + path), fd_(std::move(fd)) {}
    std::string peer_;
    FileDescriptor fd_;
    std::string input_;
};

}  // namespace

Result<json, std::string> ask_daemon(const std::filesystem::path& path, const json& request) {
    auto line = Line::connect_to(path);
    if (!line) return Unexpected(line.error());
    if (auto said = line->say(request); !said) return Unexpected(said.error());
    auto reply = line->hear(kPatienceMs);
    if (!reply) return reply;
    return std::move((*reply)["result"]);
}

Result<void, std::string> follow_daemon(const std::filesystem::path& path, const json& request,
                                        const std::function<bool(const json& part)>& on_part) {
    auto line = Line::connect_to(path);
    if (!line) return Unexpected(line.error());
    if (auto said = line->say(request); !said) return said;
    while (true) {
        const auto reply = line->hear(-1);
        if (!reply) return Unexpected(reply.error());
        if (reply->contains("end")) return {};
        const json part =
            reply->contains("part") ? (*reply)["part"] : json{{"left_out", (*reply)["left_out"]}};
        if (!on_part(part)) return {};
    }
}

}  // namespace isthmus::appliance
