#include "crypto/ike/fragments.h"

namespace isthmus::crypto::ike {

std::optional<FragmentAssembler::Whole> FragmentAssembler::add(const Fragment& fragment) {
    if (fragment.number == 0 || fragment.number > fragment.total) return std::nullopt;
    const bool another = pieces_.empty() || fragment.id != id_;
    if (another || fragment.total > pieces_.size()) begin(fragment);
    if (fragment.total != pieces_.size()) return std::nullopt;

    auto& piece = pieces_[fragment.number - 1U];
    if (piece || bytes_ + fragment.plaintext.size() > kMaxMessage) return std::nullopt;
    piece.emplace(fragment.plaintext.begin(), fragment.plaintext.end());
    bytes_ += fragment.plaintext.size();
    if (fragment.number == 1) first_ = fragment.first;
    if (--missing_ > 0) return std::nullopt;

    Whole whole{first_, {}};
    whole.plaintext.reserve(bytes_);
    for (const auto& part : pieces_)
        whole.plaintext.insert(whole.plaintext.end(), part->begin(), part->end());
    forget();
    return whole;
}

void FragmentAssembler::forget() noexcept {
    pieces_.clear();
    missing_ = 0;
    bytes_ = 0;
}

void FragmentAssembler::begin(const Fragment& fragment) {
    id_ = fragment.id;
    pieces_.assign(fragment.total, std::nullopt);
    missing_ = fragment.total;
    bytes_ = 0;
    first_ = PayloadType::none;
}

}  // namespace isthmus::crypto::ike
