#include "stp-guard/sibling_election.h"

#include <algorithm>
#include <set>

namespace isthmus::stp_guard {

bool SiblingElection::on_sibling(std::uint16_t vid, NodeId node, bool able, TimePoint now) {
    const auto [place, fresh] = by_vid_[vid].try_emplace(node);
    const bool changed = fresh || place->second.able != able;
    place->second = {able, now};
    return changed;
}

bool SiblingElection::expire(Duration silence, TimePoint now) {
    std::size_t gone = 0;
    for (auto& [vid, nodes] : by_vid_)
        gone +=
            std::erase_if(nodes, [&](const auto& entry) { return now - entry.second.heard_at >= silence; });
    std::erase_if(by_vid_, [](const auto& entry) { return entry.second.empty(); });
    return gone > 0;
}

NodeId SiblingElection::forwarder(std::uint16_t vid, bool self_able) const {
    std::vector<NodeId> able;
    if (const auto found = by_vid_.find(vid); found != by_vid_.end())
        for (const auto& [node, sibling] : found->second)
            if (sibling.able) able.push_back(node);
    if (self_able || able.empty()) able.push_back(self_);
    std::sort(able.begin(), able.end());
    return able[vid % able.size()];
}

std::vector<NodeId> SiblingElection::siblings() const {
    std::set<NodeId> all;
    for (const auto& [vid, nodes] : by_vid_)
        for (const auto& [node, sibling] : nodes) all.insert(node);
    return {all.begin(), all.end()};
}

}  // namespace isthmus::stp_guard
