#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "appliance/control_client.h"
#include "appliance/control_server.h"
#include "tests/support/temporary_folder.h"

using namespace isthmus;
using namespace isthmus::appliance;
using nlohmann::json;

namespace {

/// A server in a thread of its own that echoes requests and refuses "no".
class EchoServer {
  public:
    explicit EchoServer(const std::filesystem::path& path) {
        auto opened = ControlServer::listen(io_, path, [](const json& request) -> Result<json, std::string> {
            if (request["request"] == "no") return Unexpected<std::string>("refused, as you asked");
            return json{{"echo", request["request"]}};
        });
        REQUIRE(opened);
        server_ = std::move(*opened);
        thread_ = std::thread([this] { io_.run(); });
    }
    ~EchoServer() {
        io_.stop();
        thread_.join();
    }

  private:
    asio::io_context io_;
    std::unique_ptr<ControlServer> server_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("a request over the control socket gets its answer, and a refusal its sentence") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "run" / "isthmus.sock";
    const EchoServer server(path);
    CHECK(ask_daemon(path, {{"request", "status"}}).value()["echo"] == "status");
    CHECK(ask_daemon(path, {{"request", "no"}}).error() == "refused, as you asked");
    CHECK(ask_daemon(path, {{"wrong", 1}}).error().find("one line of JSON") != std::string::npos);
    CHECK(ask_daemon(path, {{"request", 7}}).error().find("one line of JSON") != std::string::npos);
}

TEST_CASE("the control socket is closed to others than owner and group") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "isthmus.sock";
    const EchoServer server(path);
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0660);
}

TEST_CASE("a daemon that is not there is named with what to check") {
    const test::TemporaryFolder folder;
    const auto answer = ask_daemon(folder.path() / "none.sock", {{"request", "status"}});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().find("is it running") != std::string::npos);
}

TEST_CASE("a socket that another daemon answers is left alone, one that nobody answers is replaced") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "isthmus.sock";
    asio::io_context io;
    const auto handler = [](const json&) -> Result<json, std::string> { return json::object(); };
    {
        const EchoServer server(path);
        const auto second = ControlServer::listen(io, path, handler);
        REQUIRE_FALSE(second);
        CHECK(second.error().find("answered by another daemon") != std::string::npos);
    }
    CHECK_FALSE(std::filesystem::exists(path));
    {
        // What a daemon leaves that was killed: a socket file without a listener.
        asio::local::stream_protocol::acceptor dead(io,
                                                    asio::local::stream_protocol::endpoint(path.string()));
        dead.close();
    }
    REQUIRE(std::filesystem::exists(path));
    CHECK(ControlServer::listen(io, path, handler).has_value());
}

TEST_CASE("a file in the control socket's place is not removed") {
    const test::TemporaryFolder folder;
    const auto path = folder.write("isthmus.sock", "precious");
    asio::io_context io;
    const auto opened = ControlServer::listen(
        io, path, [](const json&) -> Result<json, std::string> { return json::object(); });
    REQUIRE_FALSE(opened);
    CHECK(opened.error().find("is a file that is no socket") != std::string::npos);
    CHECK(std::filesystem::exists(path));
}
