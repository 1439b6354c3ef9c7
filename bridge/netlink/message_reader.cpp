#include "bridge/netlink/message_reader.h"

#include <linux/netlink.h>

#include <algorithm>

namespace isthmus::bridge::netlink {

namespace {

constexpr std::size_t aligned(std::size_t n) noexcept {
    return (n + 3) & ~std::size_t{3};
}

Bytes after(Bytes in, std::size_t n) noexcept {
    return in.subspan(std::min(aligned(n), in.size()));
}

}  // namespace

std::optional<MessageView> MessageReader::next() noexcept {
    if (rest_.empty()) return std::nullopt;
    nlmsghdr header{};
    if (rest_.size() >= sizeof(header)) std::memcpy(&header, rest_.data(), sizeof(header));
    if (rest_.size() < sizeof(header) || header.nlmsg_len < sizeof(header) ||
        header.nlmsg_len > rest_.size()) {
        truncated_ = true;
        rest_ = {};
        return std::nullopt;
    }
    MessageView out{header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq, header.nlmsg_pid,
                    rest_.subspan(sizeof(header), header.nlmsg_len - sizeof(header))};
    rest_ = after(rest_, header.nlmsg_len);
    return out;
}

std::optional<AttributeView> AttributeReader::next() noexcept {
    nlattr header;
    if (rest_.size() < sizeof(header)) return std::nullopt;
    std::memcpy(&header, rest_.data(), sizeof(header));
    if (header.nla_len < sizeof(header) || header.nla_len > rest_.size()) {
        rest_ = {};
        return std::nullopt;
    }
    AttributeView out{static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                      rest_.subspan(sizeof(header), header.nla_len - sizeof(header))};
    rest_ = after(rest_, header.nla_len);
    return out;
}

std::string_view AttributeView::text() const noexcept {
    const auto end = std::find(value.begin(), value.end(), std::uint8_t{0});
    return {reinterpret_cast<const char*>(value.data()), static_cast<std::size_t>(end - value.begin())};
}

}  // namespace isthmus::bridge::netlink
