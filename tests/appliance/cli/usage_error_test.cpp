#include "appliance/cli/usage_error.h"

#include <doctest/doctest.h>

#include "appliance/cli/command.h"

using namespace isthmus::appliance::cli;

namespace {

std::string said(const std::string& arguments) {
    CLI::App app;
    app.require_subcommand(1);
    const auto commands = make_commands(app);
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& e) {
        return usage_error(&app, e);
    }
    return "";
}

bool says(const std::string& arguments, const std::string& words) {
    const std::string text = said(arguments);
    CAPTURE(text);
    CHECK(text.find(words) != std::string::npos);
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("an option without its value is named, with what it wants") {
    CHECK(says("pki ca --levels", "`isthmus pki ca`: option --levels needs a value"));
    CHECK(says("pki ca --levels", "levels of authorities that may stand between it and gateways"));
    CHECK(says("pki ca --levels", "`isthmus pki ca --help` says more."));
}

TEST_CASE("an option in the wrong place is told its place") {
    CHECK(
        says("pki --levels 2 ca", "option --levels belongs to `isthmus pki ca`, `isthmus pki intermediate`"));
    CHECK(says("pki ca --subjekt x", "`isthmus pki ca` has no option --subjekt; it has "));
    CHECK(says("pki ca --subjekt x", "--subject"));
}

TEST_CASE("a word too many, and a command that is none, are named with what there is") {
    CHECK(says("pki ca extra", "`isthmus pki ca` has no place for 'extra'; it takes "));
    CHECK(says("stauts", "there is no command 'stauts' in `isthmus`; there are "));
    CHECK(says("stauts", "status"));
    CHECK(says("", "`isthmus` needs one of its commands: "));
    CHECK(says("pki cert --dns x", "`isthmus pki cert`: NAME is required"));
    CHECK(says("pki ca --levels 99", "`isthmus pki ca`: --levels: Value 99 not in range 0 to 8"));
}
