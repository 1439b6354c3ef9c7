// Classifies datagrams of port 4500.
#include <cstdlib>

#include "crypto/esp/udp4500.h"

using namespace isthmus;
using namespace isthmus::crypto::esp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes datagram(data, size);
    const Udp4500Kind kind = classify_udp4500(datagram);
    const bool long_enough = size >= kNonEspMarkerSize;
    if (kind == Udp4500Kind::ike && (!long_enough || load_be32(data) != 0)) std::abort();
    if (kind == Udp4500Kind::esp && (!long_enough || load_be32(data) == 0)) std::abort();
    if (kind == Udp4500Kind::keepalive && (size != 1 || data[0] != kNatKeepalive)) std::abort();
    if (kind == Udp4500Kind::runt && long_enough) std::abort();
    return 0;
}
