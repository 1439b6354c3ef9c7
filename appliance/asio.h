// Boost.Asio, included in the one way that compiles: Boost 1.74 forgets <utility>, which GCC 12 in C++20 does not forgive.
#pragma once

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

namespace isthmus::appliance {
namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
}  // namespace isthmus::appliance
