#include "tunnel/reliable_delivery.h"

#include <doctest/doctest.h>

#include <string>

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace std::chrono_literals;

namespace {

std::vector<std::uint8_t> body(std::string_view text) {
    return {text.begin(), text.end()};
}

std::string text_of(Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

const Retransmission kUsual;

/// What is sent now, as "ns/nr text" or "ns/nr ack".
std::vector<std::string> sent(ReliableDelivery& delivery, TimePoint now) {
    std::vector<std::string> out;
    while (const auto message = delivery.poll_send(now))
        out.push_back(std::to_string(message->ns) + "/" + std::to_string(message->nr) + " " +
                      (message->body ? text_of(*message->body) : "ack"));
    return out;
}

std::vector<std::string> received(ReliableDelivery& delivery) {
    std::vector<std::string> out;
    while (const auto message = delivery.poll_received()) out.push_back(text_of(*message));
    return out;
}

using Texts = std::vector<std::string>;

/// Sends and acknowledges `n` messages, so that numbers are where a test wants them.
void advance(ReliableDelivery& delivery, std::uint32_t n, TimePoint now) {
    for (std::uint32_t i = 0; i < n; ++i) {
        delivery.send(body("x"));
        const auto message = delivery.poll_send(now);
        REQUIRE(message);
        REQUIRE(delivery.on_message(0, static_cast<std::uint16_t>(message->ns + 1), true, {}, now) ==
                DeliveryVerdict::acknowledgement);
    }
}

}  // namespace

TEST_CASE("the first message has number 0 and expects 0") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.send(body("SCCRQ"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/0 SCCRQ"});
    CHECK_FALSE(delivery.idle());
}

TEST_CASE("an answer carries the acknowledgement, so that none is sent apart") {
    ReliableDelivery delivery(kUsual, 4);
    CHECK(delivery.on_message(0, 0, false, body("SCCRQ"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(received(delivery) == Texts{"SCCRQ"});
    delivery.send(body("SCCRP"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/1 SCCRP"});
}

TEST_CASE("with nothing to say, an acknowledgement is sent that takes no number") {
    ReliableDelivery delivery(kUsual, 4);
    CHECK(delivery.on_message(0, 0, false, body("HELLO"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/1 ack"});
    CHECK(delivery.on_message(1, 0, false, body("HELLO"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/2 ack"});
    delivery.send(body("HELLO"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/2 HELLO"});
}

TEST_CASE("an acknowledgement while messages are in flight has the number after them") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.send(body("HELLO"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/0 HELLO"});
    CHECK(delivery.on_message(0, 0, false, body("HELLO"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(sent(delivery, TimePoint{}) == Texts{"1/1 ack"});
}

TEST_CASE("a duplicate is acknowledged again and not processed") {
    ReliableDelivery delivery(kUsual, 4);
    CHECK(delivery.on_message(0, 0, false, body("ICRQ"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/1 ack"});
    CHECK(received(delivery) == Texts{"ICRQ"});
    CHECK(delivery.on_message(0, 0, false, body("ICRQ"), TimePoint{}) == DeliveryVerdict::duplicate);
    CHECK(received(delivery).empty());
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/1 ack"});
    CHECK(delivery.counters().duplicates == 1);
}

TEST_CASE("the 32,767 numbers before the last received one are old (RFC 3931 section 4.2's example)") {
    // The last received is 15: 0 to 15 and 32,784 to 65,535 are duplicates, 16 is next.
    ReliableDelivery delivery(kUsual, 8);
    for (std::uint16_t ns = 0; ns <= 15; ++ns)
        REQUIRE(delivery.on_message(ns, 0, false, body("x"), TimePoint{}) == DeliveryVerdict::accepted);
    for (const auto old : std::initializer_list<std::uint16_t>{0, 15, 32784, 40000, 65535})
        CHECK(delivery.on_message(old, 0, false, body("x"), TimePoint{}) == DeliveryVerdict::duplicate);
    for (const auto far : std::initializer_list<std::uint16_t>{32783, 24, 1000})
        CHECK(delivery.on_message(far, 0, false, body("x"), TimePoint{}) == DeliveryVerdict::beyond_window);
    CHECK(delivery.on_message(23, 0, false, body("x"), TimePoint{}) == DeliveryVerdict::held);
    CHECK(delivery.on_message(16, 0, false, body("x"), TimePoint{}) == DeliveryVerdict::accepted);
}

TEST_CASE("messages ahead of their turn are held within the window, and delivered in order") {
    ReliableDelivery delivery(kUsual, 4);
    CHECK(delivery.on_message(2, 0, false, body("c"), TimePoint{}) == DeliveryVerdict::held);
    CHECK(delivery.on_message(1, 0, false, body("b"), TimePoint{}) == DeliveryVerdict::held);
    CHECK(delivery.on_message(1, 0, false, body("b"), TimePoint{}) == DeliveryVerdict::duplicate);
    CHECK(delivery.on_message(4, 0, false, body("e"), TimePoint{}) == DeliveryVerdict::beyond_window);
    CHECK(received(delivery).empty());
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/0 ack"});
    CHECK(delivery.on_message(0, 0, false, body("a"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(received(delivery) == Texts{"a", "b", "c"});
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/3 ack"});
}

TEST_CASE("numbers wrap in both directions") {
    ReliableDelivery delivery(kUsual, 4);
    advance(delivery, 65'534, TimePoint{});
    for (std::uint32_t ns = 0; ns < 65'535; ++ns)
        REQUIRE(delivery.on_message(static_cast<std::uint16_t>(ns), 65'534, false, body("x"), TimePoint{}) ==
                DeliveryVerdict::accepted);
    while (delivery.poll_received()) {
    }
    for (const auto* text : {"a", "b", "c", "d"}) delivery.send(body(text));
    CHECK(sent(delivery, TimePoint{}) == Texts{"65534/65535 a", "65535/65535 b", "0/65535 c", "1/65535 d"});
    CHECK(delivery.on_message(0, 65'534, false, body("held"), TimePoint{}) == DeliveryVerdict::held);
    CHECK(delivery.on_message(65'535, 1, false, body("last"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(received(delivery) == Texts{"last", "held"});
    CHECK(sent(delivery, TimePoint{}) == Texts{"2/1 ack"});  // three of four are acknowledged
    CHECK(delivery.on_message(1, 2, true, {}, TimePoint{}) == DeliveryVerdict::acknowledgement);
    CHECK(delivery.idle());
}

TEST_CASE("no more than the peer's window is in flight, however long the queue") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.set_peer_window(2);
    advance(delivery, 8, TimePoint{});  // out of slow start
    for (const auto* text : {"a", "b", "c"}) delivery.send(body(text));
    CHECK(sent(delivery, TimePoint{}) == Texts{"8/0 a", "9/0 b"});
    CHECK(delivery.on_message(0, 9, true, {}, TimePoint{}) == DeliveryVerdict::acknowledgement);
    CHECK(sent(delivery, TimePoint{}) == Texts{"10/0 c"});
}

TEST_CASE("a peer that offers a window of 0 gets one message at a time") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.set_peer_window(0);
    delivery.send(body("a"));
    delivery.send(body("b"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/0 a"});
}

TEST_CASE("slow start opens the window by one with each acknowledgement") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.set_peer_window(4);
    for (int i = 0; i < 12; ++i) delivery.send(body("x"));
    CHECK(sent(delivery, TimePoint{}).size() == 1);
    (void)delivery.on_message(0, 1, true, {}, TimePoint{});
    CHECK(sent(delivery, TimePoint{}).size() == 2);
    (void)delivery.on_message(0, 2, true, {}, TimePoint{});
    CHECK(sent(delivery, TimePoint{}).size() == 2);
    CHECK(delivery.congestion_window() == 3);
    (void)delivery.on_message(0, 3, true, {}, TimePoint{});
    CHECK(delivery.congestion_window() == 4);
    (void)delivery.on_message(0, 4, true, {}, TimePoint{});
    CHECK(delivery.congestion_window() == 4);
}

TEST_CASE("a retransmission halves the threshold and starts at one message again") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.set_peer_window(8);
    advance(delivery, 7, TimePoint{});
    CHECK(delivery.congestion_window() == 8);
    for (int i = 0; i < 8; ++i) delivery.send(body("x"));
    CHECK(sent(delivery, TimePoint{}).size() == 8);
    delivery.on_timeout(TimePoint{} + 1s);
    CHECK(delivery.congestion_window() == 1);
    CHECK(sent(delivery, TimePoint{} + 1s) == Texts{"7/0 x"});
    (void)delivery.on_message(0, 8, true, {}, TimePoint{} + 1s);   // slow start: 2
    (void)delivery.on_message(0, 9, true, {}, TimePoint{} + 1s);   // 3
    (void)delivery.on_message(0, 10, true, {}, TimePoint{} + 1s);  // 4, the threshold
    CHECK(delivery.congestion_window() == 4);
    for (std::uint16_t nr = 11; nr <= 13; ++nr) (void)delivery.on_message(0, nr, true, {}, TimePoint{} + 1s);
    CHECK(delivery.congestion_window() == 4);
    (void)delivery.on_message(0, 14, true, {}, TimePoint{} + 1s);  // a whole window of acknowledgements
    CHECK(delivery.congestion_window() == 5);
}

TEST_CASE("retransmission waits double from one second to eight, ten times, then the peer is gone") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.send(body("a"));
    TimePoint now{};
    CHECK(sent(delivery, now) == Texts{"0/0 a"});
    for (const auto wait : {1s, 2s, 4s, 8s, 8s, 8s, 8s, 8s, 8s, 8s}) {
        REQUIRE(delivery.next_timeout() == now + wait);
        delivery.on_timeout(now + wait - 1ns);
        CHECK(sent(delivery, now + wait - 1ns).empty());
        now += wait;
        delivery.on_timeout(now);
        delivery.on_timeout(now);  // repeated calls are harmless
        CHECK(sent(delivery, now) == Texts{"0/0 a"});
        CHECK_FALSE(delivery.failed());
    }
    CHECK(delivery.counters().retransmissions == 10);
    delivery.on_timeout(now + 8s);
    CHECK(delivery.failed());
    CHECK(sent(delivery, now + 8s).empty());
    CHECK_FALSE(delivery.next_timeout());
}

TEST_CASE("a retransmission tells what has been received since") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.send(body("a"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/0 a"});
    CHECK(delivery.on_message(0, 0, false, body("b"), TimePoint{}) == DeliveryVerdict::accepted);
    (void)sent(delivery, TimePoint{});
    delivery.on_timeout(TimePoint{} + 1s);
    CHECK(sent(delivery, TimePoint{} + 1s) == Texts{"0/1 a"});
}

TEST_CASE("any progress gives the rest of the window its full time again") {
    ReliableDelivery delivery(kUsual, 4);
    advance(delivery, 3, TimePoint{});
    delivery.send(body("a"));
    delivery.send(body("b"));
    CHECK(sent(delivery, TimePoint{}).size() == 2);
    delivery.on_timeout(TimePoint{} + 1s);
    CHECK(delivery.retries() == 1);
    (void)sent(delivery, TimePoint{} + 1s);
    (void)delivery.on_message(0, 4, true, {}, TimePoint{} + 1500ms);
    CHECK(delivery.retries() == 0);
    CHECK(sent(delivery, TimePoint{} + 1500ms) == Texts{"4/0 b"});
    CHECK(delivery.next_timeout() == TimePoint{} + 2500ms);
}

TEST_CASE("an Nr for what was never sent makes the message invalid; an old one does no harm") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.send(body("a"));
    delivery.send(body("b"));
    CHECK(sent(delivery, TimePoint{}) == Texts{"0/0 a"});
    CHECK(delivery.on_message(0, 2, false, body("x"), TimePoint{}) == DeliveryVerdict::invalid_nr);
    CHECK(received(delivery).empty());
    CHECK(delivery.on_message(0, 1, false, body("x"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(delivery.on_message(1, 0, false, body("y"), TimePoint{}) == DeliveryVerdict::accepted);
    CHECK(received(delivery) == Texts{"x", "y"});
    CHECK(sent(delivery, TimePoint{}) == Texts{"1/2 b"});
    CHECK(delivery.counters().invalid_nr == 1);
}

TEST_CASE("an acknowledgement that comes after the timeout still counts") {
    ReliableDelivery delivery(kUsual, 4);
    advance(delivery, 3, TimePoint{});
    for (const auto* text : {"a", "b", "c"}) delivery.send(body(text));
    CHECK(sent(delivery, TimePoint{}).size() == 3);
    delivery.on_timeout(TimePoint{} + 1s);
    (void)delivery.on_message(0, 6, true, {}, TimePoint{} + 1s);  // all three, before anything was sent again
    CHECK(delivery.idle());
    CHECK(sent(delivery, TimePoint{} + 1s).empty());
    CHECK_FALSE(delivery.next_timeout());
}

TEST_CASE("in a hurry the peer is given up sooner, unless it lives") {
    ReliableDelivery delivery(kUsual, 4);
    delivery.send(body("HELLO"));
    (void)sent(delivery, TimePoint{});
    delivery.hurry(500ms, 3, TimePoint{});
    TimePoint now{};
    for (int i = 0; i < 3; ++i) {
        now += 500ms;
        delivery.on_timeout(now);
        CHECK(sent(delivery, now).size() == 1);
        delivery.hurry(500ms, 3, now);  // another hint: no longer
    }
    SUBCASE("it does not") {
        delivery.on_timeout(now + 500ms);
        CHECK(delivery.failed());
    }
    SUBCASE("it does") {
        (void)delivery.on_message(0, 1, true, {}, now);
        delivery.send(body("HELLO"));
        (void)sent(delivery, now);
        CHECK(delivery.next_timeout() == now + 1s);
    }
}
