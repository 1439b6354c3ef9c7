// The daemon's end of the control socket: one JSON request a line, one JSON answer a line, or many for a stream.
//   -> {"request": "status"}
//   <- {"ok": true, "result": {...}}   or   {"ok": false, "error": "sentence"}
//   -> {"request": "trace", "tunnel": "cloud"}
//   <- {"ok": true, "part": {...}} ... {"ok": true, "end": true}   or   {"ok": false, "error": "sentence"}
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "appliance/asio.h"
#include "appliance/commands.h"
#include "base/result.h"

namespace isthmus::appliance {

/// Listens on a Unix socket with mode 0660: who may ask is decided by the folder's and the socket's owner and group.
/// A client has ten seconds and 64 KiB for a request; sixteen may be connected at once. A stream lasts until its end, or
/// until the client goes or sends anything.
class ControlServer {
  public:
    /// `commands` outlives the server. Error: one sentence. A socket file left by a daemon that died is replaced; one that
    /// answers is not.
    [[nodiscard]] static Result<std::unique_ptr<ControlServer>, std::string> listen(
        asio::io_context& io, const std::filesystem::path& path, const Commands& commands);
    virtual ~ControlServer() = default;
};

}  // namespace isthmus::appliance
