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

constexpr int kPatienceMs = 5'000;

std::string why_not_connected(const std::filesystem::path& path, int error) {
    if (error == ENOENT || error == ECONNREFUSED)
        return "no isthmusd answers at " + path.string() +
               "; is it running, and is that its control_socket (--socket PATH)?";
    if (error == EACCES || error == EPERM)
        return "not allowed to ask isthmusd at " + path.string() + "; try sudo";
    return "cannot connect to " + path.string() + ": " + std::strerror(error);
}

}  // namespace

Result<nlohmann::json, std::string> ask_daemon(const std::filesystem::path& path,
                                               const nlohmann::json& request) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.string().size() >= sizeof address.sun_path)
        return Unexpected("socket path " + path.string() + " is too long; at most 107 bytes");
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    const FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return Unexpected(why_not_connected(path, errno));

    const std::string line = request.dump() + "\n";
    if (send(fd.value(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
        return Unexpected("isthmusd at " + path.string() + " closed the connection");
    std::string answer;
    std::array<char, 65536> chunk;
    while (answer.empty() || answer.back() != '\n') {
        pollfd wait{fd.value(), POLLIN, 0};
        if (poll(&wait, 1, kPatienceMs) <= 0)
            return Unexpected("isthmusd at " + path.string() + " does not answer");
        const auto n = recv(fd.value(), chunk.data(), chunk.size(), 0);
        if (n <= 0) return Unexpected("isthmusd at " + path.string() + " closed the connection");
        answer.append(chunk.data(), static_cast<std::size_t>(n));
    }
    auto reply = nlohmann::json::parse(answer, nullptr, false);
    if (!reply.is_object())
        return Unexpected("isthmusd at " + path.string() + " gave an answer that is no JSON object");
    if (!reply.value("ok", false)) return Unexpected(reply.value("error", std::string("unknown error")));
    return std::move(reply["result"]);
}

}  // namespace isthmus::appliance
