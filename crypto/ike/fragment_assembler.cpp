#include "crypto/ike/fragment_assembler.h"

namespace isthmus::crypto::ike {

FragmentAssembler::Outcome FragmentAssembler::add(MessageId id, const EncryptedPart& part, Bytes content) {
    const EncryptedPart::Fragment fragment = *part.fragment;
    if (fragment.total > kMaxFragments) return Outcome::too_many;
    if (id != id_ || fragment.total > total_) {
        clear();
        id_ = id;
        total_ = fragment.total;
    }
    if (fragment.total < total_) return Outcome::stale;
    if (fragments_.contains(fragment.number)) return Outcome::duplicate;
    if (bytes_ + content.size() > kMaxMessage) {
        clear();
        return Outcome::too_long;
    }
    if (fragment.number == 1) first_ = part.first_inner;
    bytes_ += content.size();
    fragments_.emplace(fragment.number, std::vector<std::uint8_t>(content.begin(), content.end()));
    return fragments_.size() == total_ ? Outcome::complete : Outcome::stored;
}

PayloadChain FragmentAssembler::take() {
    PayloadChain chain{first_, {}};
    chain.bytes.reserve(bytes_);
    for (const auto& [number, content] : fragments_)
        chain.bytes.insert(chain.bytes.end(), content.begin(), content.end());
    clear();
    return chain;
}

void FragmentAssembler::clear() noexcept {
    id_ = MessageId{};
    total_ = 0;
    first_ = PayloadType::none;
    fragments_.clear();
    bytes_ = 0;
}

}  // namespace isthmus::crypto::ike
