#include "bridge/io/reconciler.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include "bridge/io/executor.h"
#include "bridge/io/journal_file.h"
#include "bridge/io/netlink_socket.h"

namespace isthmus::bridge {

namespace {

constexpr int kMaxPasses = 4;  // one to act, one to see; more where a step opens the way for another

using Failures = std::map<std::string, std::string>;  ///< subject -> sentence

bool contains(const std::vector<Operation>& list, const Operation& operation) {
    return std::find(list.begin(), list.end(), operation) != list.end();
}

/// Steps that make things better but without which frames still cross.
bool optional_step(const Operation& operation) {
    return std::holds_alternative<SetIpv6Disabled>(operation) ||
           std::holds_alternative<SetAddrGenMode>(operation) ||
           std::holds_alternative<SetBridgeNetfilter>(operation);
}

/// The bridge that must be there before the operation can work.
std::string needs(const Operation& operation) {
    const auto* into = std::get_if<SetMaster>(&operation);
    return into != nullptr ? into->bridge : std::string();
}

}  // namespace

const BridgeReport* Report::bridge(std::string_view name) const noexcept {
    const auto it =
        std::find_if(bridges.begin(), bridges.end(), [&](const BridgeReport& b) { return b.name == name; });
    return it == bridges.end() ? nullptr : &*it;
}

const PortReport* Report::port(std::string_view name) const noexcept {
    for (const auto& bridge : bridges)
        for (const auto& port : bridge.ports)
            if (port.name == name) return &port;
    return nullptr;
}

struct Reconciler::State {
    Options options;
    NetlinkSocket socket;
    Capabilities capabilities;
    JournalScope scope;
    Journal journal;
    /// Steps that the kernel refused although we can do without, or took without anything coming of it. Not tried again
    /// while the plan still has them: each try would be an event, which would call for another try.
    std::vector<std::pair<Operation, std::string>> set_aside;
    std::vector<Operation> last_applied;

    Report reconcile(const Desired& desired);
    Result<ActualState, NetlinkError> look();
    bool pass(const Desired& desired, Report& report, Failures& failures);
    bool save(const Journal& next, Report& report);
    std::vector<Operation> without_set_aside(const std::vector<Operation>& planned, Report& report);
    void apply(const std::vector<Operation>& operations, const ActualState& actual, Report& report,
               Failures& failures);
};

Reconciler::Reconciler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Reconciler::Reconciler(Reconciler&&) noexcept = default;
Reconciler& Reconciler::operator=(Reconciler&&) noexcept = default;
Reconciler::~Reconciler() = default;

Result<Reconciler, std::string> Reconciler::open(Options options) {
    auto socket = NetlinkSocket::open();
    if (!socket) return Unexpected(socket.error().text());
    auto capabilities = probe_capabilities(*socket);
    const auto scope = current_scope();
    auto journal = load_journal(options.journal_file, scope);
    if (!journal) return Unexpected(std::move(journal).error());
    return Reconciler(std::unique_ptr<State>(new State{std::move(options),
                                                       std::move(*socket),
                                                       std::move(capabilities),
                                                       scope,
                                                       std::move(*journal),
                                                       {},
                                                       {}}));
}

Report Reconciler::reconcile(Desired desired) {
    desired.gateway = state_->options.gateway;
    return state_->reconcile(desired);
}

Report Reconciler::stop() {
    return reconcile({});
}

Result<ActualState, NetlinkError> Reconciler::actual() {
    return state_->look();
}

const Capabilities& Reconciler::capabilities() const noexcept {
    return state_->capabilities;
}

Result<std::optional<AddressHolder>, NetlinkError> Reconciler::address_present(const IpAddress& address) {
    // Not a look at everything: this is asked for each tunnel, and there may be a thousand TAPs.
    ActualState about;
    auto addresses = state_->socket.addresses();
    if (!addresses) return Unexpected(std::move(addresses).error());
    for (const auto& held : *addresses) {
        if (held.address != address) continue;
        auto link = state_->socket.link(held.index);
        if (!link && link.error().code == ENODEV) continue;  // gone meanwhile
        if (!link) return Unexpected(std::move(link).error());
        about.addresses.push_back(held);
        about.links.push_back(std::move(*link));
    }
    return address_holder(about, address);
}

Result<ActualState, NetlinkError> Reconciler::State::look() {
    auto now = dump_state(socket);
    if (now) now->vlan_filtering = capabilities.vlan_filtering;
    return now;
}

Report Reconciler::State::reconcile(const Desired& desired) {
    Report report;
    Failures failures;
    last_applied.clear();
    bool again = true;
    for (int i = 0; again && i < kMaxPasses; ++i) again = pass(desired, report, failures);
    for (auto& bridge : report.bridges) {
        const auto own = failures.find(bridge.name);
        if (own != failures.end()) bridge.state = {StateWord::down, own->second};
        for (auto& port : bridge.ports) {
            const auto failed = failures.find(port.name);
            if (failed != failures.end()) port.state = {StateWord::down, failed->second};
        }
    }
    return report;
}

/// True: something was done, so look again.
bool Reconciler::State::pass(const Desired& desired, Report& report, Failures& failures) {
    report.settled = false;
    auto now = look();
    if (!now) {
        report.failed.push_back(now.error().text());
        return false;
    }
    auto planned = plan(desired, *now, journal);
    report.bridges = std::move(planned.bridges);
    report.warnings = std::move(planned.warnings);
    if (!save(planned.journal, report)) return false;

    std::vector<Operation> todo;
    for (auto& operation : without_set_aside(planned.operations, report))
        if (failures.count(subject(operation)) == 0) todo.push_back(std::move(operation));
    report.settled = todo.empty() && failures.empty();
    if (todo.empty()) return false;
    apply(todo, *now, report, failures);
    last_applied = std::move(todo);
    // Making a bridge may have loaded the module, which could not be asked before.
    if (capabilities.vlan_filtering == Support::unknown) capabilities = probe_capabilities(socket);
    return true;
}

std::vector<Operation> Reconciler::State::without_set_aside(const std::vector<Operation>& planned,
                                                            Report& report) {
    const auto no_longer_planned = [&](const auto& entry) { return !contains(planned, entry.first); };
    set_aside.erase(std::remove_if(set_aside.begin(), set_aside.end(), no_longer_planned), set_aside.end());
    std::vector<Operation> out;
    for (const auto& operation : planned) {
        const auto known = std::find_if(set_aside.begin(), set_aside.end(),
                                        [&](const auto& entry) { return entry.first == operation; });
        if (known == set_aside.end() && contains(last_applied, operation))
            set_aside.emplace_back(operation,
                                   "the kernel agreed to " + text(operation) + ", but nothing came of it");
        else if (known == set_aside.end())
            out.push_back(operation);
    }
    for (const auto& entry : set_aside) report.warnings.push_back(entry.second);
    return out;
}

bool Reconciler::State::save(const Journal& next, Report& report) {
    if (next == journal) return true;
    auto saved = save_journal(options.journal_file, next, scope);
    if (saved) {
        journal = next;
        return true;
    }
    report.failed.push_back(saved.error());
    report.warnings.emplace_back("nothing was changed, because it could not be recorded how to undo it");
    return false;
}

void Reconciler::State::apply(const std::vector<Operation>& operations, const ActualState& actual,
                              Report& report, Failures& failures) {
    Executor executor(socket, actual);
    for (const auto& operation : operations) {
        const auto about = subject(operation);
        if (failures.count(about) != 0) continue;
        const auto without = failures.find(needs(operation));
        if (without != failures.end()) {
            failures.emplace(about, without->second);
            continue;
        }
        auto done = executor.apply(operation);
        if (done) {
            report.done.push_back(text(operation));
            continue;
        }
        report.failed.push_back(done.error().text());
        if (optional_step(operation))
            set_aside.emplace_back(operation, done.error().text());
        else
            failures.emplace(about, done.error().text());
    }
}

}  // namespace isthmus::bridge
