// The daemon's end of the control socket: one JSON request a line, one JSON answer a line.
//   -> {"request": "status"}
//   <- {"ok": true, "result": {...}}   or   {"ok": false, "error": "sentence"}
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "appliance/asio.h"
#include "base/result.h"

namespace isthmus::appliance {

/// Answers one request. Error: one sentence for the asker.
using RequestHandler = std::function<Result<nlohmann::json, std::string>(const nlohmann::json& request)>;

/// Listens on a Unix socket with mode 0660: who may ask is decided by the folder's and the socket's owner and group.
/// A client has ten seconds and 64 KiB for a request; sixteen may be connected at once.
class ControlServer {
  public:
    /// Error: one sentence. A socket file left by a daemon that died is replaced; one that answers is not.
    [[nodiscard]] static Result<std::unique_ptr<ControlServer>, std::string> listen(
        asio::io_context& io, const std::filesystem::path& path, RequestHandler handler);
    virtual ~ControlServer() = default;
};

}  // namespace isthmus::appliance
