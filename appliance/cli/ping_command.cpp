#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"

namespace isthmus::appliance::cli {

namespace {

/// `isthmus ping SESSION`: round trips inside the pseudowire. Exit status 1 if nothing came back.
class PingCommand final : public Command {
  public:
    explicit PingCommand(CLI::App& app)
        : command_(*app.add_subcommand("ping", "round trip and loss inside a session's pseudowire")) {
        command_.add_option("session", session_, "name of the session")->required();
        command_.add_option("--count", count_, "requests to send")
            ->capture_default_str()
            ->check(CLI::Range(1, 1000));
        command_.add_option("--interval", interval_ms_, "milliseconds between them")
            ->capture_default_str()
            ->check(CLI::Range(10, 10'000));
        command_.add_option("--size", size_, "bytes of padding in each")
            ->capture_default_str()
            ->check(CLI::Range(0, 1400));
        options_.add_to(command_);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        const nlohmann::json request{{"request", "ping"},
                                     {"session", session_},
                                     {"count", count_},
                                     {"interval_ms", interval_ms_},
                                     {"size", size_}};
        int received = 0;
        const auto end = follow_daemon(options_.socket, request, [&](const nlohmann::json& part) {
            if (part.contains("received")) received = part["received"].get<int>();
            std::cout << (options_.as_json ? part.dump() + "\n" : text_of_part(part)) << std::flush;
            return true;
        });
        if (!end) return fail(end.error());
        return received > 0 ? 0 : 1;
    }

  private:
    static std::string milliseconds(const nlohmann::json& value) {
        char text[32];
        (void)std::snprintf(text, sizeof text, "%.3f ms", value.get<double>());
        return text;
    }
    [[nodiscard]] std::string text_of_part(const nlohmann::json& part) const {
        if (part.contains("sent")) {
            const int sent = part["sent"].get<int>();
            const int received = part["received"].get<int>();
            std::string out = session_ + ": " + std::to_string(sent) + " sent, " + std::to_string(received) +
                              " came back, " + std::to_string(100 * (sent - received) / sent) + " % lost";
            if (received > 0)
                out += "; " + milliseconds(part["least_ms"]) + " to " + milliseconds(part["most_ms"]) +
                       ", on average " + milliseconds(part["mean_ms"]);
            return out + "\n";
        }
        const std::string head = "sequence " + std::to_string(part["sequence"].get<int>()) + ": ";
        return head +
               (part["round_trip_ms"].is_null() ? "nothing came back" : milliseconds(part["round_trip_ms"])) +
               "\n";
    }

    CLI::App& command_;
    DaemonOptions options_;
    std::string session_;
    int count_ = 5;
    int interval_ms_ = 200;
    int size_ = 56;
};

}  // namespace

std::unique_ptr<Command> make_ping_command(CLI::App& app) {
    return std::make_unique<PingCommand>(app);
}

}  // namespace isthmus::appliance::cli
