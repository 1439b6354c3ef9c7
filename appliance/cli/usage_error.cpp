#include "appliance/cli/usage_error.h"

#include <vector>

namespace isthmus::appliance::cli {

namespace {

const CLI::App* deepest(const CLI::App* app) {
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return app;
}

/// "isthmus pki ca"
std::string path_of(const CLI::App* app) {
    return app->get_parent() == nullptr ? "isthmus" : path_of(app->get_parent()) + " " + app->get_name();
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

std::vector<const CLI::App*> subcommands_of(const CLI::App* app) {
    return app->get_subcommands([](const CLI::App* sub) { return !sub->get_name().empty(); });
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& apps) {
    std::vector<std::string> names;
    for (const CLI::App* app : apps) names.push_back(app->get_name());
    return names;
}

std::vector<std::string> options_of(const CLI::App* app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app->get_options()) names.push_back(option->get_name());
    return names;
}

/// Commands below `app` that know the option.
void find_owners(const CLI::App* app, const std::string& name, std::vector<std::string>& owners) {
    for (const CLI::Option* option : app->get_options())
        if (option->check_name(name)) owners.push_back("`" + path_of(app) + "`");
    for (const CLI::App* sub : subcommands_of(app)) find_owners(sub, name, owners);
}

std::string about_option(const CLI::App* root, const CLI::App* command, const std::string& name) {
    std::vector<std::string> owners;
    find_owners(root, name, owners);
    if (!owners.empty())
        return "option " + name + " belongs to " + joined(owners) + " and goes behind that name";
    return "`" + path_of(command) + "` has no option " + name + "; it has " + joined(options_of(command));
}

std::string about_extra(const CLI::App* root, const CLI::App* command,
                        const std::vector<std::string>& extra) {
    for (const std::string& word : extra)
        if (word.size() > 1 && word[0] == '-') return about_option(root, command, word);
    const auto below = subcommands_of(command);
    const std::string word = extra.empty() ? "" : extra.front();
    if (!below.empty())
        return "there is no command '" + word + "' in `" + path_of(command) + "`; there are " +
               joined(names_of(below));
    return "`" + path_of(command) + "` has no place for '" + word + "'; it takes " +
           joined(options_of(command));
}

/// "--levels: 1 required UINT missing" and the like.
std::string about_value(const CLI::App* command, const std::string& text) {
    const auto end = text.find(':');
    const CLI::Option* option =
        end == std::string::npos ? nullptr : command->get_option_no_throw(text.substr(0, end));
    if (option == nullptr) return "`" + path_of(command) + "`: " + text;
    return "`" + path_of(command) + "`: option " + option->get_name() + " needs a value (" +
           option->get_type_name() + "): " + option->get_description();
}

std::string sentence(const CLI::App* app, const CLI::Error& error) {
    const CLI::App* command = deepest(app);
    const auto kind = static_cast<CLI::ExitCodes>(error.get_exit_code());
    if (kind == CLI::ExitCodes::ExtrasError) return about_extra(app, command, app->remaining(true));
    if (kind == CLI::ExitCodes::ArgumentMismatch) return about_value(command, error.what());
    if (kind == CLI::ExitCodes::RequiredError && !subcommands_of(command).empty() &&
        command->get_subcommands().empty()) {
        const auto extra = app->remaining(true);
        if (!extra.empty()) return about_extra(app, command, extra);
        return "`" + path_of(command) +
               "` needs one of its commands: " + joined(names_of(subcommands_of(command)));
    }
    return "`" + path_of(command) + "`: " + error.what();
}

}  // namespace

std::string usage_error(const CLI::App* app, const CLI::Error& error) {
    return sentence(app, error) + "\n`" + path_of(deepest(app)) + " --help` says more.\n";
}

}  // namespace isthmus::appliance::cli
