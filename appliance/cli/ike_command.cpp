#include <iostream>
#include <nlohmann/json.hpp>

#include "appliance/cli/command.h"
#include "appliance/control_client.h"
#include "appliance/ike_view.h"

namespace isthmus::appliance::cli {

namespace {

class IkeCommand final : public Command {
  public:
    explicit IkeCommand(CLI::App& app)
        : command_(*app.add_subcommand("ike", "IKE SAs and children of each peer, and why one is not up")) {
        options_.add_to(command_);
        rekey_ =
            add("rekey", "new keys for the peer's IKE SA, or with --child for that child; nothing is lost");
        rekey_->add_option("--child", child_, "the child, instead of the IKE SA");
        terminate_ = add("terminate", "closes all SAs with the peer; they are then built anew");
        initiate_ = add("initiate", "begins with the peer now, whatever its back-off says");
        command_.require_subcommand(0, 1);
    }
    bool chosen() const override { return command_.parsed(); }
    int run() override {
        if (rekey_->parsed()) return request("ike-rekey");
        if (terminate_->parsed()) return request("ike-terminate");
        if (initiate_->parsed()) return request("ike-initiate");
        const auto answer = ask_daemon(options_.socket, {{"request", "ike"}});
        if (!answer) return fail(answer.error());
        if (options_.as_json)
            std::cout << answer->dump(2) << '\n';
        else
            std::cout << render_ike(*answer, on_terminal());
        return 0;
    }

  private:
    CLI::App* add(const std::string& name, const std::string& about) {
        CLI::App* sub = command_.add_subcommand(name, about);
        sub->add_option("peer", peer_, "name of the tunnel")->required();
        sub->add_option("--socket", options_.socket, "the daemon's control_socket")->capture_default_str();
        return sub;
    }
    int request(const char* name) {
        const auto answer =
            ask_daemon(options_.socket, {{"request", name}, {"peer", peer_}, {"child", child_}});
        return answer ? 0 : fail(answer.error());
    }

    CLI::App& command_;
    DaemonOptions options_;
    CLI::App* rekey_ = nullptr;
    CLI::App* terminate_ = nullptr;
    CLI::App* initiate_ = nullptr;
    std::string peer_;
    std::string child_;
};

}  // namespace

std::unique_ptr<Command> make_ike_command(CLI::App& app) {
    return std::make_unique<IkeCommand>(app);
}

}  // namespace isthmus::appliance::cli
