#include "appliance/ike_socket.h"

#include <netinet/in.h>
#include <netinet/ip.h>

#include <algorithm>

#include "appliance/clock.h"

namespace isthmus::appliance {

namespace {

constexpr std::size_t kLargestDatagram = 65'535;
/// CS6, network control (RFC 4594 section 3.1).
constexpr int kTrafficClass = 0xc0;

asio::ip::address asio_address(const IpAddress& address) {
    const Bytes bytes = address.bytes();
    if (address.is_v6()) {
        asio::ip::address_v6::bytes_type raw{};
        std::ranges::copy(bytes, raw.begin());
        return asio::ip::address_v6(raw);
    }
    asio::ip::address_v4::bytes_type raw{};
    std::ranges::copy(bytes, raw.begin());
    return asio::ip::address_v4(raw);
}

Endpoint endpoint_of(const asio::ip::udp::endpoint& from) {
    if (from.address().is_v6()) return {IpAddress::v6(from.address().to_v6().to_bytes()), from.port()};
    return {IpAddress::v4(from.address().to_v4().to_bytes()), from.port()};
}

/// The options are wishes: without them the socket works too.
void set_wishes(asio::ip::udp::socket& socket, bool v6) {
    const int may_fragment = v6 ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT;
    const int fd = socket.native_handle();
    if (v6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &may_fragment, sizeof may_fragment);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &kTrafficClass, sizeof kTrafficClass);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &may_fragment, sizeof may_fragment);
        (void)setsockopt(fd, IPPROTO_IP, IP_TOS, &kTrafficClass, sizeof kTrafficClass);
    }
}

}  // namespace

IkeSocket::IkeSocket(asio::io_context& io, const Endpoint& local, Handler handler)
    : socket_(io), local_(local), handler_(std::move(handler)), buffer_(kLargestDatagram) {}

Result<std::unique_ptr<IkeSocket>, std::string> IkeSocket::open(asio::io_context& io, const Endpoint& local,
                                                                Handler handler) {
    std::unique_ptr<IkeSocket> made(new IkeSocket(io, local, std::move(handler)));
    const asio::ip::udp::endpoint at(asio_address(local.address), local.port);
    ErrorCode error;
    made->socket_.open(at.protocol(), error);
    if (!error && local.address.is_v6()) made->socket_.set_option(asio::ip::v6_only(true), error);
    if (!error) set_wishes(made->socket_, local.address.is_v6());
    if (!error) made->socket_.bind(at, error);
    if (!error) made->socket_.non_blocking(true, error);
    if (error)
        return Unexpected("UDP " + local.text() + " for IKE: " + error.message() +
                          (error == asio::error::address_in_use ? "; is another IKE daemon running?" : ""));
    made->receive();
    return made;
}

bool IkeSocket::send(const Endpoint& to, Bytes message) noexcept {
    ErrorCode error;
    const asio::ip::udp::endpoint target(asio_address(to.address), to.port);
    socket_.send_to(asio::buffer(message.data(), message.size()), target, 0, error);
    return !error;
}

void IkeSocket::receive() {
    socket_.async_receive_from(asio::buffer(buffer_), from_, [this](ErrorCode error, std::size_t size) {
        if (error == asio::error::operation_aborted) return;
        if (!error)
            handler_(Bytes(buffer_.data(), size), Path{local_, endpoint_of(from_), std::nullopt}, boot_now());
        receive();
    });
}

}  // namespace isthmus::appliance
