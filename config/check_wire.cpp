// Tunnels and SAs that could not be told apart on the wire, and keys that are used twice.
#include <map>
#include <tuple>

#include "config/draft.h"
#include "config/words.h"

namespace isthmus::config {

namespace {

std::string tunnel_at(const Draft& draft, std::size_t index) {
    return "tunnel " + quoted(draft.configuration.tunnels[index].name) + " on line " +
           std::to_string(draft.configuration.tunnels[index].line);
}

bool has_addresses(const TunnelConfig& tunnel) {
    return !tunnel.options.local.is_unspecified() && !tunnel.options.remote.is_unspecified();
}

/// Ports are 0 where the encapsulation has none.
std::pair<Endpoint, Endpoint> ends_of(const tunnel::TunnelOptions& options) {
    const bool udp = options.encapsulation == tunnel::Encapsulation::udp;
    return {{options.local, udp ? options.local_port : std::uint16_t{0}},
            {options.remote, udp ? options.remote_port : std::uint16_t{0}}};
}

std::string text_of(const Endpoint& end) {
    return end.port == 0 ? end.address.text() : end.address.text() + " port " + std::to_string(end.port);
}

/// Protected or not: a peer that decides by addresses and ports what to encrypt could not tell two such tunnels apart.
void check_four_tuples(const Draft& draft) {
    const auto& tunnels = draft.configuration.tunnels;
    std::map<std::pair<Endpoint, Endpoint>, std::size_t> seen;
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
        if (!has_addresses(tunnels[i])) continue;
        const auto ends = ends_of(tunnels[i].options);
        const auto [at, is_new] = seen.try_emplace(ends, i);
        if (is_new) continue;
        draft.tunnels[i].tunnel.problem(
            "remote",
            text_of(ends.first) + " to " + text_of(ends.second) + " is " + tunnel_at(draft, at->second) +
                " already",
            ends.first.port != 0
                ? "put these sessions into one tunnel, or give one of the tunnels other ports"
                : "put these sessions into one tunnel, or use other addresses");
    }
}

/// One UDP port of ours carries either ESP or clear L2TP.
void check_sockets(const Draft& draft) {
    const auto& tunnels = draft.configuration.tunnels;
    std::map<Endpoint, std::size_t> esp;
    for (std::size_t i = 0; i < tunnels.size(); ++i)
        if (tunnels[i].esp && tunnels[i].esp->encapsulation == EspEncapsulation::udp)
            esp.try_emplace({tunnels[i].esp->local, tunnels[i].esp->local_port}, i);
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
        if (tunnels[i].esp || !has_addresses(tunnels[i])) continue;
        if (tunnels[i].options.encapsulation != tunnel::Encapsulation::udp) continue;
        const Endpoint local{tunnels[i].options.local, tunnels[i].options.local_port};
        const auto found = esp.find(local);
        if (found != esp.end())
            draft.tunnels[i].tunnel.problem(
                "local_port", "UDP " + local.text() + " receives ESP for " + tunnel_at(draft, found->second),
                "give one of the two another port");
    }
}

void check_spis(const Draft& draft) {
    const auto& tunnels = draft.configuration.tunnels;
    std::map<Spi, std::size_t> inbound;
    std::map<std::pair<IpAddress, Spi>, std::size_t> outbound;
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
        if (!tunnels[i].esp) continue;
        const EspConfig& esp = *tunnels[i].esp;
        if (raw(esp.in.spi) != 0) {
            const auto [at, is_new] = inbound.try_emplace(esp.in.spi, i);
            if (!is_new)
                draft.tunnels[i].in->problem(
                    "spi",
                    hex_text(raw(esp.in.spi)) + " is the inbound SPI of " + tunnel_at(draft, at->second) +
                        " already",
                    "each inbound SA of a daemon has its own, and the peer's out has the same");
        }
        if (raw(esp.out.spi) == 0 || esp.remote.is_unspecified()) continue;
        const auto [at, is_new] = outbound.try_emplace({esp.remote, esp.out.spi}, i);
        if (!is_new)
            draft.tunnels[i].out->problem("spi",
                                          hex_text(raw(esp.out.spi)) + " goes to the same peer as that of " +
                                              tunnel_at(draft, at->second),
                                          "the peer knows each of its inbound SAs by its own SPI");
    }
}

/// The same key for two SAs means the same nonces under one key: with AES-GCM and ChaCha20 that gives away
/// both plaintext and the right to forge.
class KeyUses {
  public:
    explicit KeyUses(const Draft& draft) : draft_(draft) {}

    void claim(const Section& sa, std::size_t tunnel, std::string_view direction,
               const crypto::SecretBytes& key) {
        if (key.empty()) return;
        for (const Use& use : uses_) {
            if (!(*use.key == key)) continue;
            sa.problem(sa.has("key_file") ? "key_file" : "insecure_inline_key",
                       "is the key of " + std::string(use.direction) + " in " +
                           tunnel_at(draft_, use.tunnel) + " already",
                       "every SA needs a random key of its own: two that share one can be read and forged");
            return;
        }
        uses_.push_back({&key, tunnel, direction});
    }

  private:
    struct Use {
        const crypto::SecretBytes* key;
        std::size_t tunnel;
        std::string_view direction;
    };
    const Draft& draft_;
    std::vector<Use> uses_;
};

void check_keys(const Draft& draft) {
    const auto& tunnels = draft.configuration.tunnels;
    KeyUses uses(draft);
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
        if (!tunnels[i].esp) continue;
        if (draft.tunnels[i].out) uses.claim(*draft.tunnels[i].out, i, "out", tunnels[i].esp->out.key);
        if (draft.tunnels[i].in) uses.claim(*draft.tunnels[i].in, i, "in", tunnels[i].esp->in.key);
    }
}

}  // namespace

void check_wire(const Draft& draft) {
    check_four_tuples(draft);
    check_sockets(draft);
    check_spis(draft);
    check_keys(draft);
}

}  // namespace isthmus::config
