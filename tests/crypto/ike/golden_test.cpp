// strongSwan's exchanges: every message is opened, every key of charon's log derived, every AUTH verified.
#include <doctest/doctest.h>

#include <map>

#include "crypto/esp/udp4500.h"
#include "crypto/ike/authentication.h"
#include "crypto/ike/identity.h"
#include "crypto/ike/key_schedule.h"
#include "crypto/ike/negotiation.h"
#include "crypto/ike/sk_cipher.h"
#include "crypto/ike/wire/message.h"
#include "tests/crypto/json_vectors.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/support/pcap_file.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace isthmus::test;

namespace {

using Vector = std::vector<std::uint8_t>;

bool equal(const SecretBytes& key, const nlohmann::json& expected) {
    return to_hex(key.reveal()) == expected.get<std::string>();
}

/// One message, in clear.
struct Seen {
    Header header;
    std::vector<Payload> payloads;
    Vector datagram;
};

std::vector<Vector> datagrams_of(const std::string& name) {
    const auto capture = read_pcap(std::string(ISTHMUS_TEST_VECTORS) + "/golden/ike/" + name + ".pcap");
    REQUIRE_MESSAGE(capture, name);
    std::vector<Vector> all;
    for (const auto& packet : capture->packets) {
        const auto ip = ip_packet_in(packet.bytes, capture->link_type);
        const auto udp = ip && ip->protocol == 17 ? udp_in(*ip) : std::nullopt;
        if (!udp) continue;
        Bytes data = udp->payload;
        const bool on_4500 = udp->source_port == 4500 || udp->destination_port == 4500;
        if (on_4500 && esp::classify_udp4500(data) != esp::Udp4500Kind::ike) continue;
        if (on_4500) data = data.subspan(4);
        if (on_4500 || udp->source_port == 500 || udp->destination_port == 500)
            all.emplace_back(data.begin(), data.end());
    }
    return all;
}

/// The exchange of one capture, replayed from both sides' point of view at once.
class Replay {
  public:
    Replay(std::string name, const nlohmann::json& keys, SecretBytes psk)
        : name_(std::move(name)), expected_(keys), psk_(std::move(psk)) {}

    void run() {
        CAPTURE(name_);
        for (const Vector& datagram : datagrams_of(name_)) on_datagram(datagram);
        CHECK(children_ == expected_["children"].size());
        CHECK(verified_ == 2);
    }

  private:
    void on_datagram(const Vector& datagram) {
        auto message = parse_message(datagram);
        REQUIRE_MESSAGE(message, message.error().what);
        Seen seen{message->header, std::move(message->payloads), datagram};
        if (message->encrypted) open(seen, *message->encrypted);
        const bool response = seen.header.is_response;
        const ExchangeType exchange = seen.header.exchange;
        if (!response) {
            request_ = std::move(seen);
            return;
        }
        if (exchange == ExchangeType::ike_sa_init) on_init(std::move(request_), std::move(seen));
        if (exchange == ExchangeType::ike_auth) on_auth(seen);
        if (exchange == ExchangeType::create_child_sa) on_child(seen);
    }

    void open(Seen& seen, const EncryptedPart& part) {
        REQUIRE(suite_);
        const bool from_i = seen.header.from_initiator;
        const SkOpener opener(suite_->cipher, (from_i ? keys_.ei : keys_.er).clone(), {});
        const auto text = opener.open(seen.datagram, part);
        REQUIRE_MESSAGE(text, text.error());
        auto inner = parse_payloads(part.first_inner, *text);
        REQUIRE_MESSAGE(inner, inner.error().what);
        seen.payloads = std::move(*inner);
        CHECK(emit_payloads(seen.payloads).bytes == *text);

        // Altered anywhere it is not authentic.
        Vector altered = seen.datagram;
        for (const std::size_t at : {std::size_t{20}, part.offset - 1, part.offset + 9, altered.size() - 1}) {
            altered[at] ^= 1;
            CHECK_FALSE(opener.open(altered, part));
            altered[at] ^= 1;
        }
    }

    void on_init(Seen request, Seen response) {
        const auto& offered = *find<SaPayload>(request.payloads);
        const auto choice = accept_ike(offered, *find<SaPayload>(response.payloads));
        REQUIRE_MESSAGE(choice, choice.error());
        suite_ = choice->suite;
        CHECK(text_of(*suite_) == "aes-256-gcm, sha256, ecp256");
        const auto ours =
            choose(default_ike_policy(), offered, find<KeyExchangePayload>(request.payloads)->group);
        REQUIRE(ours);
        CHECK(ours->suite == *suite_);

        ni_ = find<NoncePayload>(request.payloads)->data;
        nr_ = find<NoncePayload>(response.payloads)->data;
        const SecretBytes shared(hex_field(expected_, "shared"));
        const SecretBytes seed = skeyseed(suite_->prf, {ni_, nr_}, shared);
        CHECK(equal(seed, expected_["skeyseed"]));
        keys_ = derive_ike_keys(*suite_, seed, {ni_, nr_},
                                {response.header.initiator_spi, response.header.responder_spi});
        CHECK(equal(keys_.d, expected_["sk_d"]));
        CHECK(equal(keys_.ei, expected_["sk_ei"]));
        CHECK(equal(keys_.er, expected_["sk_er"]));
        CHECK(equal(keys_.pi, expected_["sk_pi"]));
        CHECK(equal(keys_.pr, expected_["sk_pr"]));
        init_request_ = std::move(request);
        init_response_ = std::move(response);
    }

    void on_auth(const Seen& response) {
        const auto& idi = find<IdInitiatorPayload>(request_.payloads)->id;
        const auto& idr = find<IdResponderPayload>(response.payloads)->id;
        CHECK(text_of(idi) == "a.interop.test");
        CHECK(text_of(idr) == "b.interop.test");
        verify(request_, {init_request_.datagram, nr_, suite_->prf, &keys_.pi, &idi}, 0);
        verify(response, {init_response_.datagram, ni_, suite_->prf, &keys_.pr, &idr}, 1);
        on_child(response);
    }

    void verify(const Seen& message, const SignedOctets& parts, std::size_t side) {
        const Vector octets = signed_octets(parts);
        CHECK(to_hex(octets) == expected_["octets"][side].get<std::string>());
        const auto& auth = *find<AuthPayload>(message.payloads);
        const auto* cert = find<CertificatePayload>(message.payloads);
        if (auth.method == AuthMethod::shared_key) {
            CHECK(to_hex(auth.data) == expected_["psk_auth"][side].get<std::string>());
            CHECK(verify_with_psk(parts.prf, psk_, auth, octets));
            CHECK(sign_with_psk(parts.prf, psk_, octets) == auth);
            CHECK_FALSE(verify_with_psk(parts.prf, SecretBytes(Vector{'x'}), auth, octets));
        } else {
            REQUIRE(cert != nullptr);
            const auto certificate = Certificate::from_der(cert->data);
            REQUIRE(certificate);
            CHECK(certificate_names(*certificate, *parts.id));
            const auto good = verify_with_key(certificate->public_key(), auth, octets);
            CHECK_MESSAGE(good, good.error());
            CHECK_FALSE(
                verify_with_key(certificate->public_key(), auth, Bytes(octets).first(octets.size() - 1)));
        }
        ++verified_;
    }

    void on_child(const Seen& response) {
        const auto& offered = *find<SaPayload>(request_.payloads);
        const auto choice = accept_child(offered, *find<SaPayload>(response.payloads));
        REQUIRE_MESSAGE(choice, choice.error());
        CHECK(choice->suite.esp == esp::Suite::aes256_gcm16);
        CHECK_FALSE(choice->suite.extended_sequence);
        CHECK(find_notify(response.payloads, NotifyType::use_transport_mode) != nullptr);
        const auto& expected = expected_["children"][children_];
        const Vector shared_bytes = hex_field(expected, "shared");
        const SecretBytes shared(shared_bytes);
        const auto* ni = find<NoncePayload>(request_.payloads);
        const auto* nr = find<NoncePayload>(response.payloads);
        const NoncePair nonces{ni != nullptr ? ni->data : ni_, nr != nullptr ? nr->data : nr_};
        CHECK((choice->suite.group == DhGroup::ecp256) == !shared_bytes.empty());
        const ChildKeys keys = derive_child_keys(suite_->prf, keys_.d, shared.empty() ? nullptr : &shared,
                                                 nonces, choice->suite.esp);
        CHECK(equal(keys.from_initiator, expected["initiator"]));
        CHECK(equal(keys.from_responder, expected["responder"]));
        ++children_;
    }

    std::string name_;
    const nlohmann::json& expected_;
    SecretBytes psk_;
    std::optional<IkeSuite> suite_;
    IkeKeys keys_;
    Vector ni_;
    Vector nr_;
    Seen request_;
    Seen init_request_;
    Seen init_response_;
    std::size_t children_ = 0;
    int verified_ = 0;
};

}  // namespace

TEST_CASE("strongSwan's exchanges open, their keys come out as in its log, and their AUTH verifies") {
    const auto vectors = load_vectors("golden/ike/derived_keys.json");
    const auto psk = vectors["psk"].get<std::string>();
    CHECK(vectors["captures"].size() == 8);
    for (const auto& [name, keys] : vectors["captures"].items()) {
        const Bytes secret(reinterpret_cast<const std::uint8_t*>(psk.data()), psk.size());
        Replay(name, keys, SecretBytes(secret)).run();
    }
}

TEST_CASE(
    "what strongSwan sends in clear is written by us as the same bytes, and cut anywhere it is refused") {
    for (const Vector& datagram : datagrams_of("ike-direct-udp-cert")) {
        const auto message = parse_message(datagram);
        REQUIRE(message);
        if (!message->encrypted) CHECK(emit_message(message->header, message->payloads) == datagram);
        for (std::size_t n = 0; n < datagram.size(); ++n)
            CHECK_FALSE(parse_message(Bytes(datagram).first(n)));
    }
}
