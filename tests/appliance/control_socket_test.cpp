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
        commands_.on("status", "echoes", [](const json& request) -> Result<json, std::string> {
            return json{{"echo", request["request"]}};
        });
        commands_.on("no", "refuses", [](const json&) -> Result<json, std::string> {
            return Unexpected<std::string>("refused, as you asked");
        });
        commands_.on_stream(
            "count", "counts to \"to\"",
            [](const json& request, std::shared_ptr<AnswerStream> stream) -> Result<void, std::string> {
                if (!request.contains("to")) return Unexpected<std::string>("count to what?");
                for (int i = 1; i <= request["to"]; ++i) stream->send({{"number", i}});
                stream->end();
                return {};
            });
        commands_.on_stream(
            "forever", "keeps its stream",
            [this](const json&, std::shared_ptr<AnswerStream> stream) -> Result<void, std::string> {
                stream->send({{"begun", true}});
                kept_ = std::move(stream);
                return {};
            });
        auto opened = ControlServer::listen(io_, path, commands_);
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
    Commands commands_;
    std::shared_ptr<AnswerStream> kept_;
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

TEST_CASE("an unknown request is told what is known") {
    const test::TemporaryFolder folder;
    const EchoServer server(folder.path() / "isthmus.sock");
    const auto answer = ask_daemon(folder.path() / "isthmus.sock", {{"request", "statsu"}});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().find("\"statsu\" is unknown") != std::string::npos);
    CHECK(answer.error().find("count, forever, no, status") != std::string::npos);
}

TEST_CASE("an answer in parts arrives part by part, and ends") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "isthmus.sock";
    const EchoServer server(path);
    int sum = 0;
    const auto add = [&](const json& part) {
        sum += part["number"].get<int>();
        return true;
    };
    CHECK(follow_daemon(path, {{"request", "count"}, {"to", 500}}, add));
    CHECK(sum == 500 * 501 / 2);
    CHECK(follow_daemon(path, {{"request", "count"}}, add).error() == "count to what?");
}

TEST_CASE("an asker may leave an answer that never ends, and ask again") {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "isthmus.sock";
    const EchoServer server(path);
    for (int i = 0; i < 40; ++i)  // more than may be connected at once
        CHECK(follow_daemon(path, {{"request", "forever"}}, [](const json&) { return false; }));
    CHECK(ask_daemon(path, {{"request", "status"}}));
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
    const Commands commands;
    {
        const EchoServer server(path);
        const auto second = ControlServer::listen(io, path, commands);
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
    CHECK(ControlServer::listen(io, path, commands).has_value());
}

TEST_CASE("a file in the control socket's place is not removed") {
    const test::TemporaryFolder folder;
    const auto path = folder.write("isthmus.sock", "precious");
    asio::io_context io;
    const Commands commands;
    const auto opened = ControlServer::listen(io, path, commands);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().find("is a file that is no socket") != std::string::npos);
    CHECK(std::filesystem::exists(path));
}
