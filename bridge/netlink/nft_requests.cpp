#include "bridge/netlink/nft_requests.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "bridge/netlink/nft_message.h"
#include "bridge/netlink/nft_rule.h"

namespace isthmus::bridge::netlink {

namespace {

constexpr std::int32_t kPriority = -500;  // before everybody else's
constexpr std::size_t kElementsPerMessage = 1'000;
constexpr std::uint32_t kMostVlans = 4'096;
constexpr std::uint32_t kMostSources = 8'192;
constexpr std::uint64_t kSourceForgottenAfter = 10'000;  // ms
// Hosts that are known: as long as bridges know them. At the rate at which strangers become known the set is never full of those
// that a storm makes up.
constexpr const char* kKnown = "known";
constexpr std::uint32_t kMostKnown = 65'536;
constexpr std::uint64_t kKnownFor = 300'000;
constexpr FrameLimit kBecomeKnown{40, 400};  // of each VLAN at a LAN port, of all at a session's interface
constexpr FrameLimit kSpeakUp{200, 400};     // unicast ARP: who answers is there
// Strangers that were seen a moment ago. It is full of what a storm makes up, most of the time, but not always: in one of a hundred
// thousand a second a host that asks again gets in with each third try.
constexpr const char* kSeen = "seen";
constexpr std::uint32_t kMostSeen = 131'072;
constexpr std::uint64_t kSeenFor = 2'000;
constexpr FrameLimit kComeBack{500, 500};  // of each VLAN
// Frames of other gateways' guards have no class: in a loop they would go round as fast as the kernel forwards.
constexpr FrameLimit kProbes{1'000, 1'000};
constexpr std::uint32_t kTypeInteger = 4;  // nft's own number of a type, for listings
constexpr std::uint32_t kTypeLinkAddress = 9;

// Offsets from the destination address.
constexpr std::uint32_t kDestination = 0;
constexpr std::uint32_t kSource = 6;
constexpr std::uint32_t kType = 12;
constexpr std::uint32_t kNodeInProbe = 20;  // stp-guard's frames, from their magic on
constexpr std::uint32_t kTci = 14;
constexpr std::uint32_t kTagSize = 4;
constexpr std::uint32_t kHeaderSize = 14;

Request batch_frame(std::uint16_t type) {
    MessageBuilder out(type, 0);
    nfgenmsg header{AF_UNSPEC, NFNETLINK_V0, 0};
    store_be16(reinterpret_cast<std::uint8_t*>(&header.res_id), NFNL_SUBSYS_NFTABLES);
    out.header(header);
    return std::move(out).take();
}

/// What a set keeps of each key.
struct SetShape {
    std::uint32_t key_type;
    std::uint32_t key_size;
    std::uint32_t flags = 0;
    std::uint32_t most = 0;  ///< 0: as many as are put in
    std::uint64_t timeout_ms = 0;
};
constexpr SetShape kVlans{kTypeInteger, 2};
constexpr SetShape kVlanBuckets{kTypeInteger, 2, NFT_SET_EVAL, kMostVlans};
constexpr SetShape kKnownSources{kTypeLinkAddress, 6, NFT_SET_EVAL | NFT_SET_TIMEOUT, kMostKnown, kKnownFor};
constexpr SetShape kSeenSources{kTypeLinkAddress, 6, NFT_SET_EVAL | NFT_SET_TIMEOUT, kMostSeen, kSeenFor};
constexpr SetShape kSourceBuckets{kTypeLinkAddress, 6, NFT_SET_EVAL | NFT_SET_TIMEOUT, kMostSources,
                                  kSourceForgottenAfter};

/// Writes the table, device by device.
class TableWriter {
  public:
    explicit TableWriter(std::string table) : table_(std::move(table)) {}

    void add_table() {
        auto m = nft_message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
        m.text(NFTA_TABLE_NAME, table_);
        add(std::move(m));
    }
    void remove_table() {
        auto m = nft_message(NFT_MSG_DELTABLE);
        m.text(NFTA_TABLE_NAME, table_);
        add(std::move(m));
    }
    void add_device(const DeviceRules& rules);
    [[nodiscard]] NftBatch take() && { return std::move(batch_); }

  private:
    /// One of a device's two ways.
    struct Chain {
        const DeviceRules& rules;
        std::string name;
        std::uint32_t hook;
        bool limits;
    };
    /// Tagged frames have a chain of their own, where everything is four bytes further in.
    struct Branch {
        const Chain& chain;
        std::string name;
        bool tagged;
        [[nodiscard]] std::uint32_t type() const { return kType + (tagged ? kTagSize : 0); }
        [[nodiscard]] std::uint32_t payload() const { return kHeaderSize + (tagged ? kTagSize : 0); }
    };

    void add_chain(const Chain& chain);
    void add_branch(const Branch& branch);
    [[nodiscard]] NftRule guard_frames(const Branch& branch, std::string_view what = {}) const {
        return std::move(rule(branch, what).load(branch.type(), 2).equals({0x88, 0xb5}));
    }
    void add_probes(const Branch& branch);
    void add_blocks(const Branch& branch);
    void add_limits(const Branch& branch);
    void add_resolution(const Branch& branch);
    void add_known(const Branch& branch, const std::string& chain);
    void add_busy(const Branch& branch, const std::string& chain);
    void add_strangers(const Branch& branch, const std::string& chain);
    void add_memory();
    /// Those that answer by unicast are known.
    void add_answers(const Branch& branch);
    /// The frames that `match` begins to describe: dropped if they are more than the limit, else through.
    template <class Match>
    void add_limit(const Branch& branch, std::string_view what, const std::optional<FrameLimit>& limit,
                   Match match);

    void base_chain(const std::string& name, const std::string& device, std::uint32_t hook);
    void plain_chain(const std::string& name);
    void add_set(const std::string& name, const SetShape& shape);
    void add_elements(const std::string& set, const VlanSet& vlans);
    [[nodiscard]] NftRule rule(const Branch& branch, std::string_view what = {}) const {
        return rule_in(branch.name, branch, what);
    }
    [[nodiscard]] NftRule rule_in(const std::string& chain, const Branch& branch,
                                  std::string_view what = {}) const {
        return NftRule(table_, chain,
                       what.empty() ? "" : branch.chain.rules.device + ": " + std::string(what));
    }
    /// The end of a rule: it counts and drops what is more than the limit.
    void drop_over(NftRule rule, const Branch& branch, const std::string& what, const FrameLimit& limit);
    void add(MessageBuilder m) { batch_.push_back(std::move(m).take()); }
    void add(Request r) { batch_.push_back(std::move(r)); }

    std::string table_;
    NftBatch batch_;
    std::uint32_t devices_ = 0;
    std::uint32_t sets_ = 0;
    bool remembers_ = false;  ///< the sets of known and seen sources are there
};

void TableWriter::add_device(const DeviceRules& rules) {
    // Names of devices may be as long as names of chains, and have characters that nft does not read back.
    const std::string number = std::to_string(devices_++);
    const bool lan = rules.way == DeviceRules::Way::both;
    if (lan) add_chain({rules, "in" + number, NF_NETDEV_INGRESS, true});
    // Towards a LAN port there is nothing to limit, only to block.
    if (!lan || !rules.blocked.empty() || !rules.bum_blocked.empty())
        add_chain({rules, "out" + number, NF_NETDEV_EGRESS, !lan});
}

void TableWriter::add_chain(const Chain& chain) {
    const Branch tagged{chain, chain.name + "_tagged", true};
    const Branch untagged{chain, chain.name, false};
    base_chain(chain.name, chain.rules.device, chain.hook);
    plain_chain(tagged.name);
    // Bridges' own protocols are known by their addresses, tagged or not.
    if (chain.rules.drop_link_local) {
        const auto drop_to = [&](std::initializer_list<std::uint8_t> mask,
                                 std::initializer_list<std::uint8_t> address) {
            add(rule(untagged, "link_local").load_masked(kDestination, mask).equals(address).count().drop());
        };
        drop_to({0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}, {0x01, 0x80, 0xc2, 0, 0, 0x00});
        drop_to({0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}, {0x01, 0x80, 0xc2, 0, 0, 0x20});
        drop_to({0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc});
        drop_to({0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, {0x01, 0x00, 0x0c, 0xcd, 0xcd, 0xcc});
    }
    for (const std::uint8_t tpid : {std::uint8_t{0x81}, std::uint8_t{0x88}})
        add(rule(untagged)
                .load(kType, 2)
                .equals({tpid, static_cast<std::uint8_t>(tpid == 0x81 ? 0x00 : 0xa8)})
                .go_to(tagged.name));
    add_branch(untagged);
    add_branch(tagged);
}

void TableWriter::add_branch(const Branch& branch) {
    if (const auto& node = branch.chain.rules.own_node) {
        NftRule own = guard_frames(branch);
        std::array<std::uint8_t, 8> id{};
        store_be64(id.data(), *node);
        own.load(branch.payload() + kNodeInProbe, id.size())
            .equals({id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7]});
        add(branch.chain.hook == NF_NETDEV_INGRESS ? own.drop() : own.accept());
        add_blocks(branch);
        add_probes(branch);
    } else {
        add_probes(branch);
        add_blocks(branch);
    }
    if (!branch.chain.limits || branch.chain.rules.limits == FloodLimits{}) return;
    if (branch.chain.rules.limits.strangers) add_answers(branch);
    add(rule(branch).load_masked(kDestination, {0x01}).equals({0x00}).accept());
    add_limits(branch);
}

/// Of all VLANs together. What comes in is seen by the guard's own watch of the port before this.
void TableWriter::add_probes(const Branch& branch) {
    const bool comes_in = branch.chain.hook == NF_NETDEV_INGRESS;
    if (comes_in || branch.chain.limits) add(guard_frames(branch, "probes").exceeds(kProbes).count().drop());
    add(guard_frames(branch).accept());
}

void TableWriter::add_blocks(const Branch& branch) {
    const DeviceRules& rules = branch.chain.rules;
    const auto block = [&](const VlanSelection& which, std::string_view what, bool groups_only) {
        if (branch.tagged ? which.vlans.empty() : !which.untagged) return;
        NftRule out = rule(branch, what);
        if (branch.tagged) {
            const std::string set = branch.name + "_" + std::string(what);
            add_set(set, kVlans);
            add_elements(set, which.vlans);
            out.load_masked(kTci, {0x0f, 0xff}).is_in(set);
        }
        if (groups_only) out.load_masked(kDestination, {0x01}).equals({0x01});
        add(out.count().drop());
    };
    block(rules.blocked, "blocked", false);
    block(rules.bum_blocked, "bum_blocked", true);
}

void TableWriter::add_limits(const Branch& branch) {
    const FloodLimits& limits = branch.chain.rules.limits;
    const auto of_type = [&](std::string_view what, std::uint8_t high, std::uint8_t low) {
        return std::move(rule(branch, what).load(branch.type(), 2).equals({high, low}));
    };
    const auto arp = [&](std::string_view what) { return of_type(what, 0x08, 0x06); };
    const auto rarp = [&](std::string_view what) { return of_type(what, 0x80, 0x35); };
    const auto neighbours = [&](std::string_view what) {
        NftRule out = of_type(what, 0x86, 0xdd);
        out.load(branch.payload() + 6, 1).equals({58});
        out.load(branch.payload() + 40, 1).at_least(135).at_most(136);
        return out;
    };
    add_resolution(branch);
    const std::string resolution = branch.name + "_resolution";
    add(arp({}).go_to(resolution));
    add(rarp({}).go_to(resolution));
    add(neighbours({}).go_to(resolution));
    for (const char* const what : {"broadcast", "local_multicast", "multicast"})
        if (branch.tagged) add_set(branch.name + "_" + what, kVlanBuckets);
    add_limit(branch, "broadcast", limits.broadcast, [&](std::string_view what) {
        return std::move(
            rule(branch, what).load(kDestination, 6).equals({0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
    });
    add_limit(branch, "local_multicast", limits.local_multicast, [&](std::string_view what) {
        NftRule out = of_type(what, 0x08, 0x00);
        out.load(branch.payload() + 16, 3).equals({0xe0, 0, 0});
        return out;
    });
    add_limit(branch, "local_multicast", limits.local_multicast, [&](std::string_view what) {
        NftRule out = of_type(what, 0x86, 0xdd);
        out.load(branch.payload() + 24, 2).equals({0xff, 0x02});
        return out;
    });
    add_limit(branch, "multicast", limits.multicast,
              [&](std::string_view what) { return rule(branch, what); });
}

/// Chains for address resolution that is sent to a group.
void TableWriter::add_resolution(const Branch& branch) {
    const FloodLimits& limits = branch.chain.rules.limits;
    const std::string chain = branch.name + "_resolution";
    plain_chain(chain);
    if (!limits.strangers) return add_known(branch, chain);
    const std::string known = branch.name + "_known";
    plain_chain(known);
    add_memory();
    add(rule_in(chain, branch).load(kSource, 6).is_in(kKnown).go_to(known));
    add_known(branch, known);
    add_strangers(branch, chain);
}

void TableWriter::add_memory() {
    if (std::exchange(remembers_, true)) return;
    add_set(kKnown, kKnownSources);
    add_set(kSeen, kSeenSources);
}

void TableWriter::add_known(const Branch& branch, const std::string& chain) {
    const FloodLimits& limits = branch.chain.rules.limits;
    if (limits.resolution_per_source) {
        add_set("sources_" + branch.name, kSourceBuckets);
        NftRule out = rule_in(chain, branch, "resolution_per_source");
        out.load(kSource, 6).exceeds_by_key("sources_" + branch.name, *limits.resolution_per_source, true);
        add(out.count().drop());
    }
    if (limits.strangers) add(rule_in(chain, branch).load(kSource, 6).remember_in(kKnown).go_on());
    const bool comes_in = branch.chain.hook == NF_NETDEV_INGRESS;
    if (comes_in && limits.strangers && limits.resolution && limits.resolution_per_source)
        add_busy(branch, chain);
    if (limits.resolution)
        drop_over(rule_in(chain, branch, "resolution"), branch, "resolution", *limits.resolution);
    add(rule_in(chain, branch, "resolution passed").count().accept());
}

/// Hosts that ask a lot have a quarter of what all have, and on top of it: however many they are, those that ask little have theirs. A
/// thousand sources that each ask a hundred times a second leave 2,000 + 1,250 frames a second to a TAP, whose queue holds 256.
void TableWriter::add_busy(const Branch& branch, const std::string& chain) {
    const FrameLimit& of_source = *branch.chain.rules.limits.resolution_per_source;
    const FrameLimit& of_all = *branch.chain.rules.limits.resolution;
    const FrameLimit little{std::max<std::uint64_t>(of_source.per_second / 20, 1),
                            std::max<std::uint32_t>(of_source.burst / 16, 1)};
    const FrameLimit quarter{std::max<std::uint64_t>(of_all.per_second / 4, 1),
                             std::max<std::uint32_t>(of_all.burst / 4, 1)};
    const std::string busy = branch.name + "_busy";
    const std::string asks_little = "little_" + branch.name;
    plain_chain(busy);
    add_set(asks_little, kSourceBuckets);
    add(rule_in(chain, branch).load(kSource, 6).exceeds_by_key(asks_little, little, true).go_to(busy));
    drop_over(rule_in(busy, branch, "resolution"), branch, "busy", quarter);
    add(rule_in(busy, branch, "resolution passed").count().accept());
}

void TableWriter::add_strangers(const Branch& branch, const std::string& chain) {
    const auto within = [&](NftRule rule, const std::string& what, const FrameLimit& limit) {
        if (!branch.tagged) return std::move(rule.within(limit));
        const std::string set = branch.name + "_" + what;
        add_set(set, kVlanBuckets);
        return std::move(rule.load_masked(kTci, {0x0f, 0xff}).within_by_key(set, limit));
    };
    const auto passes = [&] { return rule_in(chain, branch, "resolution passed"); };
    // Only where frames come in: what goes out to several sessions would be seen by the first and come back to the second.
    const bool comes_in = branch.chain.hook == NF_NETDEV_INGRESS;
    NftRule fresh =
        comes_in ? within(passes(), "new", kBecomeKnown) : std::move(passes().within(kBecomeKnown));
    add(fresh.load(kSource, 6).remember_in(kKnown).count().accept());
    if (comes_in) {
        NftRule back = passes();
        back.load(kSource, 6).is_in(kSeen);
        add(within(std::move(back), "back", kComeBack).load(kSource, 6).remember_in(kKnown).count().accept());
        add(rule_in(chain, branch).load(kSource, 6).remember_in(kSeen).go_on());
    }
    drop_over(rule_in(chain, branch, "strangers"), branch, "strangers", *branch.chain.rules.limits.strangers);
    add(passes().count().accept());
}

void TableWriter::add_answers(const Branch& branch) {
    add_memory();
    add(rule(branch)
            .load(branch.type(), 2)
            .equals({0x08, 0x06})
            .load_masked(kDestination, {0x01})
            .equals({0x00})
            .within(kSpeakUp)
            .load(kSource, 6)
            .remember_in(kKnown)
            .go_on());
}

void TableWriter::drop_over(NftRule rule, const Branch& branch, const std::string& what,
                            const FrameLimit& limit) {
    if (branch.tagged) {
        const std::string set = branch.name + "_" + what;
        add_set(set, kVlanBuckets);
        rule.load_masked(kTci, {0x0f, 0xff}).exceeds_by_key(set, limit, false);
    } else {
        rule.exceeds(limit);
    }
    add(rule.count().drop());
}

template <class Match>
void TableWriter::add_limit(const Branch& branch, std::string_view what,
                            const std::optional<FrameLimit>& limit, Match match) {
    if (limit) {
        NftRule over = match(what);
        if (branch.tagged) {
            over.load_masked(kTci, {0x0f, 0xff});
            over.exceeds_by_key(branch.name + "_" + std::string(what), *limit, false);
        } else {
            over.exceeds(*limit);
        }
        add(over.count().drop());
    }
    add(match(std::string(what) + " passed").count().accept());
}

void TableWriter::base_chain(const std::string& name, const std::string& device, std::uint32_t hook) {
    auto m = nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    m.text(NFTA_CHAIN_TABLE, table_).text(NFTA_CHAIN_NAME, name);
    m.open(NFTA_CHAIN_HOOK);
    put_be32(m, NFTA_HOOK_HOOKNUM, hook);
    put_be32(m, NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(kPriority));
    m.text(NFTA_HOOK_DEV, device).close();
    put_be32(m, NFTA_CHAIN_POLICY, NF_ACCEPT);
    m.text(NFTA_CHAIN_TYPE, "filter");
    add(std::move(m));
}

void TableWriter::plain_chain(const std::string& name) {
    auto m = nft_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    m.text(NFTA_CHAIN_TABLE, table_).text(NFTA_CHAIN_NAME, name);
    add(std::move(m));
}

void TableWriter::add_set(const std::string& name, const SetShape& shape) {
    auto m = nft_message(NFT_MSG_NEWSET, NLM_F_CREATE);
    m.text(NFTA_SET_TABLE, table_).text(NFTA_SET_NAME, name);
    put_be32(m, NFTA_SET_FLAGS, shape.flags);
    put_be32(m, NFTA_SET_KEY_TYPE, shape.key_type);
    put_be32(m, NFTA_SET_KEY_LEN, shape.key_size);
    put_be32(m, NFTA_SET_ID, ++sets_);
    if (shape.most != 0) {
        m.open(NFTA_SET_DESC);
        put_be32(m, NFTA_SET_DESC_SIZE, shape.most);
        m.close();
    }
    if (shape.timeout_ms != 0) put_be64(m, NFTA_SET_TIMEOUT, shape.timeout_ms);
    add(std::move(m));
}

void TableWriter::add_elements(const std::string& set, const VlanSet& vlans) {
    std::vector<std::uint16_t> vids;
    for (std::uint16_t vid = 1; vid < 4095; ++vid)
        if (vlans.contains_vid(vid)) vids.push_back(vid);
    for (std::size_t at = 0; at < vids.size(); at += kElementsPerMessage) {
        auto m = nft_message(NFT_MSG_NEWSETELEM, NLM_F_CREATE);
        m.text(NFTA_SET_ELEM_LIST_TABLE, table_).text(NFTA_SET_ELEM_LIST_SET, set);
        m.open(NFTA_SET_ELEM_LIST_ELEMENTS);
        for (std::size_t i = at; i < std::min(at + kElementsPerMessage, vids.size()); ++i) {
            std::array<std::uint8_t, 2> key{};
            store_be16(key.data(), vids[i]);
            m.open(NFTA_LIST_ELEM).open(NFTA_SET_ELEM_KEY).attribute(NFTA_DATA_VALUE, key).close().close();
        }
        m.close();
        add(std::move(m));
    }
}

}  // namespace

NftBatch replace_guard_table(const GuardRules& rules) {
    TableWriter writer(rules.table);
    // A table has to be there to be removed.
    writer.add_table();
    writer.remove_table();
    writer.add_table();
    for (const DeviceRules& device : rules.devices) writer.add_device(device);
    return std::move(writer).take();
}

NftBatch remove_guard_table(std::string_view table) {
    TableWriter writer{std::string(table)};
    writer.add_table();
    writer.remove_table();
    return std::move(writer).take();
}

Request begin_nft_batch() {
    return batch_frame(NFNL_MSG_BATCH_BEGIN);
}
Request end_nft_batch() {
    return batch_frame(NFNL_MSG_BATCH_END);
}

}  // namespace isthmus::bridge::netlink
