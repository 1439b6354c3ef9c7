#include "bridge/netlink/message_builder.h"

#include <libmnl/libmnl.h>

#include <cassert>
#include <cstring>

namespace isthmus::bridge::netlink {

namespace {

constexpr std::size_t kAttributeHeader = 4;  // struct nlattr
constexpr std::size_t aligned(std::size_t n) {
    return (n + 3) & ~std::size_t{3};
}

nlmsghdr* header_of(std::vector<std::uint8_t>& buffer) {
    return reinterpret_cast<nlmsghdr*>(buffer.data());
}

}  // namespace

MessageBuilder::MessageBuilder(std::uint16_t type, std::uint16_t flags) : buffer_(512) {
    nlmsghdr* nlh = mnl_nlmsg_put_header(buffer_.data());
    nlh->nlmsg_type = type;
    nlh->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

MessageBuilder& MessageBuilder::raw_header(Bytes header) {
    reserve(header.size());
    std::memcpy(mnl_nlmsg_put_extra_header(header_of(buffer_), header.size()), header.data(), header.size());
    return *this;
}

MessageBuilder& MessageBuilder::text(std::uint16_t type, std::string_view value) {
    std::vector<std::uint8_t> zero_terminated(value.begin(), value.end());
    zero_terminated.push_back(0);
    return attribute(type, zero_terminated);
}

MessageBuilder& MessageBuilder::attribute(std::uint16_t type, Bytes value) {
    assert(value.size() <= 0xffffU - kAttributeHeader);
    reserve(kAttributeHeader + value.size());
    mnl_attr_put(header_of(buffer_), type, value.size(), value.data());
    return *this;
}

MessageBuilder& MessageBuilder::open(std::uint16_t type) {
    reserve(kAttributeHeader);
    const nlattr* nest = mnl_attr_nest_start(header_of(buffer_), type);
    open_.push_back(static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(nest) - buffer_.data()));
    return *this;
}

MessageBuilder& MessageBuilder::close() {
    assert(!open_.empty());
    mnl_attr_nest_end(header_of(buffer_), reinterpret_cast<nlattr*>(buffer_.data() + open_.back()));
    open_.pop_back();
    return *this;
}

Request MessageBuilder::take() && {
    assert(open_.empty());
    buffer_.resize(header_of(buffer_)->nlmsg_len);
    return {std::move(buffer_)};
}

void MessageBuilder::reserve(std::size_t payload) {
    const std::size_t needed = header_of(buffer_)->nlmsg_len + aligned(payload) + 4;
    if (buffer_.size() < needed) buffer_.resize(2 * needed);
}

}  // namespace isthmus::bridge::netlink
