#include "config/schema.h"

#include <algorithm>
#include <array>

namespace isthmus::config {

namespace {

using enum KeyType;
constexpr std::string_view kRequired = "required";

// clang-format off
constexpr auto kSchema = std::to_array<KeySpec>({
// section, key, type, default, range, what, example
{"", "schema", integer, kRequired, "1", "Version of this format.", "1"},
{"", "gateway", table, "all defaults", "", "This gateway.", ""},
{"", "datapath", table, "all defaults", "", "How frames are moved.", ""},
{"", "guard", table, "all defaults", "", "What keeps storms, loops and stray spanning trees from crossing.", ""},
{"", "bridge", tables, "none", "", "A kernel bridge; as many as needed.", ""},
{"", "tunnel", tables, "none", "", "A way to one peer; as many as needed.", ""},
{"", "session", tables, "none", "", "A pseudowire in a tunnel, joined to a bridge; as many as needed.", ""},

{"gateway", "name", text, "the host's name", "1 to 63 letters, digits, `.`, `_`, `-`", "What this gateway is called in status and logs.", "\"dc-gw\""},
{"gateway", "state_dir", text, "`/var/lib/isthmus`", "absolute path", "What must survive a restart, such as used sequence numbers. One running daemon each.", "\"/var/lib/isthmus\""},
{"gateway", "control_socket", text, "`/run/isthmus/isthmus.sock`", "absolute path of at most 107 bytes", "Where `isthmus` finds the daemon.", "\"/run/isthmus/isthmus.sock\""},
{"gateway", "log_level", text, "`info`", "`trace`, `debug`, `info`, `warning`, `error`", "The least severe messages that are logged.", "\"info\""},
{"gateway", "log_target", text, "`console`", "`console`, `journal`, `file:/absolute/path`", "Where messages go.", "\"console\""},
{"gateway", "allow_key_log", boolean, "false", "", "Lets `isthmusd --key-log DIR` write the keys of IKE and ESP for Wireshark: whoever has them can read all traffic.", "true"},
{"gateway", "router_id", text, "the first tunnel's `local` if IPv4, else made from the name", "IPv4 address, other than 0.0.0.0", "Router ID that tells L2TPv3 gateways apart (RFC 3931). No peer may have the same.", "\"192.0.2.1\""},

{"datapath", "crypto", text, "`auto`", "`auto`, `openssl`, `ipsec-mb`", "The library that seals and opens ESP packets. `auto` measures those that this machine has for 20 ms at start, and logs which it took and why.", "\"auto\""},
{"datapath", "packet_memory", integer, "20", "12 to 1024", "MiB that packets on their way may take, both directions together. It is taken at start, and logged.", "20"},
{"datapath", "poll", integer, "0", "0 to 1000", "Microseconds that a worker without work looks for more before it sleeps; 0: it sleeps at once. Shorter waits for processor time: docs/performance.md has the figures.", "0"},

{"guard", "enabled", boolean, "true", "", "Storm control, loop probes, limits of MAC addresses and isolation of gateways, for all sessions.", "true"},
{"guard", "observe", boolean, "false", "", "Everything but the drop: what would be limited or blocked is counted and told, and passes. Spanning trees are kept in all the same.", "false"},
{"guard", "domain", integer, "1", "1 to 4294967295", "Gateways of one domain watch the same LANs.", "1"},
{"guard", "site", text, "the gateway's name", "1 to 63 letters, digits, `.`, `_`, `-`", "The customer LAN that this gateway is in. Gateways of one site elect who forwards.", "\"dc\""},
{"guard", "node", text, "the gateway's name", "1 to 63 letters, digits, `.`, `_`, `-`", "This gateway. No two of a domain have the same.", "\"dc-gw\""},
{"guard", "key_file", text, "none", "path, relative to this file's folder if not absolute", "File with 32 bytes in hex, the same for all gateways of the domain. Without, no other gateway is believed, and each decides for itself.", "\"/etc/isthmus/keys/guard.key\""},
{"guard", "probes", boolean, "true", "", "Loop probes: the only proof of a loop.", "true"},
{"guard", "open_at_once", boolean, "false", "", "VLANs cross as soon as their session is up, and loops are looked for afterwards. For labs: else broadcast, unknown unicast and multicast wait some seconds for three clean rounds of probes.", "true"},
{"guard", "probes_per_second", integer, "200", "10 to 10000", "Budget of probes, bursts aside.", "200"},
{"guard", "mac_moves", text, "`warn`", "`warn`, `pin`", "What happens to a MAC address that moves five times in 180 s. `pin`: it stays where it was first.", "\"warn\""},
{"guard", "suspend_storms", boolean, "false", "", "A VLAN whose storm is ten times its limit for 30 s, with evidence of a loop, is suspended.", "false"},
{"guard", "nftables", boolean, "true", "", "Rules in the kernel too, which outlive the daemon and keep storms out of its queues.", "true"},
{"guard", "capture", integer, "200", "0 to 1000", "Frames kept before and after each event, for tcpdump.", "200"},
{"guard", "storm", table, "all defaults", "", "Limits of flooded frames, in each VLAN and direction of each session.", ""},
{"guard", "lan_storm", table, "all defaults", "", "Limits of flooded frames that come in at a LAN port, in each VLAN, by the kernel's packet filter.", ""},

{"guard.storm", "address_resolution", text, "`300 pps`", "a limit", "ARP, RARP, neighbour discovery, and DHCP of clients.", "\"300 pps\""},
{"guard.storm", "broadcast", text, "`500 pps`", "a limit", "Other broadcast.", "\"500 pps\""},
{"guard.storm", "local_multicast", text, "`500 pps`", "a limit", "Multicast to 224.0.0.0/24 and ff02::/16: routing protocols, mDNS.", "\"500 pps\""},
{"guard.storm", "multicast", text, "`2000 pps`", "a limit", "Other multicast.", "\"2000 pps\""},
{"guard.storm", "unknown_unicast", text, "`500 pps`", "a limit", "Unicast to hosts that were not heard on the other side.", "\"500 pps\""},
{"guard.storm", "every", text, "none", "a limit", "The same for each of these classes that has none of its own here.", "\"1000 pps\""},
{"guard.storm", "all", text, "10 % of the tunnel's `rate`", "a limit", "All classes together.", "\"10 %\""},
{"guard.storm", "per_source", text, "`20 pps, burst 40`", "a limit in pps", "Address resolution of one source MAC, so that one flooder does not starve the others.", "\"20 pps, burst 40\""},

{"guard.lan_storm", "address_resolution", text, "`5000 pps`", "a limit in pps", "ARP, RARP and neighbour discovery of hosts that are known. All others together get half of it, 1,000 pps at most.", "\"5000 pps\""},
{"guard.lan_storm", "broadcast", text, "`1000 pps`", "a limit", "Other broadcast.", "\"1000 pps\""},
{"guard.lan_storm", "local_multicast", text, "`1000 pps`", "a limit", "Multicast to 224.0.0.0/24 and ff02::/16.", "\"1000 pps\""},
{"guard.lan_storm", "multicast", text, "`4000 pps`", "a limit", "Other multicast.", "\"4000 pps\""},
{"guard.lan_storm", "every", text, "none", "a limit in pps", "The same for each of these classes that has none of its own here.", "\"1000 pps\""},
{"guard.lan_storm", "per_source", text, "`40 pps, burst 80`", "a limit in pps", "Address resolution of one source MAC.", "\"40 pps, burst 80\""},

{"bridge", "name", text, kRequired, "1 to 15 characters, an interface name", "The bridge's interface. Sessions refer to it.", "\"br-dc\""},
{"bridge", "ownership", text, "`create`", "`create`, `adopt`", "`create`: made at start, removed at stop. `adopt`: made by somebody else; only our ports are added and removed, and the guard watches all of them.", "\"create\""},
{"bridge", "ports", texts, "none", "interface names", "Physical ports. One that is not there yet is waited for.", "[\"lan0\"]"},
{"bridge", "mtu", integer, "1500", "576 to 9216", "Bytes of payload in a frame, for the bridge and our ports.", "1500"},
{"bridge", "vlan_filtering", text, "`auto`", "`auto`, `on`, `off`", "Filtering of VLANs by the kernel. `auto`: where the kernel can. The daemon filters each session in any case.", "\"auto\""},
{"bridge", "multicast_snooping", boolean, "false", "", "IGMP and MLD snooping by the kernel.", "false"},
{"bridge", "mac", text, "derived from the names", "unicast MAC address", "The bridge's address, stable over restarts either way.", "\"02:00:5e:10:00:01\""},
{"bridge", "lan_storm", table, "as `guard.lan_storm`", "", "Limits of flooded frames that come in at this bridge's LAN ports.", ""},

{"bridge.lan_storm", "address_resolution", text, "`5000 pps`", "a limit in pps", "ARP, RARP and neighbour discovery of hosts that are known. All others together get half of it, 1,000 pps at most.", "\"5000 pps\""},
{"bridge.lan_storm", "broadcast", text, "`1000 pps`", "a limit", "Other broadcast.", "\"1000 pps\""},
{"bridge.lan_storm", "local_multicast", text, "`1000 pps`", "a limit", "Multicast to 224.0.0.0/24 and ff02::/16.", "\"1000 pps\""},
{"bridge.lan_storm", "multicast", text, "`4000 pps`", "a limit", "Other multicast.", "\"4000 pps\""},
{"bridge.lan_storm", "every", text, "none", "a limit in pps", "The same for each of these classes that has none of its own here.", "\"1000 pps\""},
{"bridge.lan_storm", "per_source", text, "`40 pps, burst 80`", "a limit in pps", "Address resolution of one source MAC.", "\"40 pps, burst 80\""},

{"tunnel", "name", text, kRequired, "1 to 63 letters, digits, `.`, `_`, `-`", "Sessions refer to it.", "\"cloud\""},
{"tunnel", "local", text, kRequired, "unicast IPv4 or IPv6 address", "Our address.", "\"192.0.2.1\""},
{"tunnel", "remote", text, kRequired, "unicast address of the same family; with `[tunnel.ike]` or `[tunnel.control]` also a DNS name, or `any`", "The peer's address. A name is looked up again for each attempt. `any`: whoever can say who it is.", "\"192.0.2.2\""},
{"tunnel", "encapsulation", text, "`udp`", "`udp`, `ip`", "L2TPv3 over UDP, or as IP protocol 115.", "\"udp\""},
{"tunnel", "local_port", integer, "1701", "1 to 65535; only with `udp`", "Our L2TP port.", "1701"},
{"tunnel", "remote_port", integer, "1701", "1 to 65535; only with `udp`", "The peer's L2TP port.", "1701"},
{"tunnel", "local_id", integer, "none", "1 to 4294967295; not with `[tunnel.control]`", "Our Control Connection ID. Static tunnels need none.", "11"},
{"tunnel", "remote_id", integer, "none", "1 to 4294967295; not with `[tunnel.control]`", "The peer's Control Connection ID.", "22"},
{"tunnel", "path_mtu", integer, "MTU of the interface that holds `local`", "576 to 65535, over IPv6 from 1280", "Largest IP packet that the way to the peer carries.", "1500"},
{"tunnel", "rate", text, "none", "1 kbit/s to 1000 Gbit/s", "What the way to the peer carries: limits of storm control in percent refer to it.", "\"100 Mbit/s\""},
{"tunnel", "dscp", text, "`none`", "`none`, `from-pcp`, `copy-inner`", "DSCP of the outer packets: 0, from the 802.1Q priority, or that of the IP packet inside.", "\"none\""},
{"tunnel", "ecn", text, "`normal`", "`normal`, `compatibility`", "RFC 6040: copy the ECN field of the IP packet inside to the outer one, or send Not-ECT, for peers that lose congestion marks (the Linux kernel's L2TP does).", "\"normal\""},
{"tunnel", "protection", text, kRequired, "`esp`, `none`", "Encryption. `none` has to be asked for by name and is warned about.", "\"esp\"", "write protection = \"esp\", or protection = \"none\" to send in the clear"},
{"tunnel", "ike", table, "none", "with `protection = \"esp\"` only", "Protection with keys by IKEv2.", ""},
{"tunnel", "esp", table, "none", "with `protection = \"esp\"` only", "Protection with manual keys, for labs and tests.", ""},
{"tunnel", "control", table, "none", "", "A control connection, over which the tunnel's sessions are negotiated. Without it they are static.", ""},

{"tunnel.control", "role", text, "`both`; with `remote = \"any\"` `responder`", "`both`, `initiator`, `responder`", "Who opens the control connection. With `both`, whoever is first; crossing requests are settled by tie breaker.", "\"both\""},
{"tunnel.control", "secret_file", text, "none", "path, relative to this file's folder if not absolute", "File with the shared secret that authenticates control messages (RFC 3931 section 4.3), 16 to 256 characters. Owner root or the daemon's user, mode 0600 or 0400.", "\"/etc/isthmus/keys/cloud.secret\""},
{"tunnel.control", "second_secret_file", text, "none", "as `secret_file`", "Another secret that is good too, while the secret is being changed at both ends.", "\"/etc/isthmus/keys/cloud.old\""},
{"tunnel.control", "digest", text, "`sha1`", "`sha1`, `md5`; with a secret only", "Message Digest of what we send. What we receive may have either.", "\"sha1\""},
{"tunnel.control", "hide", boolean, "false", "with a secret only", "Hide the values of AVPs (RFC 3931 section 5.3): ids, cookies, end ids.", "true"},
{"tunnel.control", "hello", integer, "10", "1 to 3600", "Seconds of silence after which a HELLO asks whether the peer is there.", "10"},
{"tunnel.control", "receive_window", integer, "16", "1 to 1024", "Control messages that the peer may send before it has to wait.", "16"},
{"tunnel.control", "peer_hostname", text, "any", "a host name", "Host Name that the peer has to have. Ours is the gateway's name.", "\"cloud-gw\""},
{"tunnel.control", "quirks", texts, "all", "names of rules, see docs/interop.md", "Deviations from RFC 3931 that are put up with in this peer. `[]`: none.", "[\"router-id-missing\"]"},

{"tunnel.esp", "keys", text, kRequired, "`manual`", "Where keys come from. `manual` is for labs and tests; IKEv2 has its own table, `[tunnel.ike]`.", "\"manual\""},
{"tunnel.esp", "encapsulation", text, "`udp`", "`udp`, `raw`", "ESP in UDP, which passes NAT and clouds, or as IP protocol 50.", "\"udp\""},
{"tunnel.esp", "local_port", integer, "4500", "1 to 65535; only with `udp`", "Our UDP port for ESP.", "4500"},
{"tunnel.esp", "remote_port", integer, "4500", "1 to 65535; only with `udp`", "The peer's UDP port for ESP.", "4500"},
{"tunnel.esp", "mode", text, "`transport`", "`transport`, `tunnel`", "ESP mode. `tunnel` is for VPN services that know no other.", "\"transport\""},
{"tunnel.esp", "local", text, "the tunnel's `local`", "unicast address; only in mode `tunnel`", "Our address on the ESP packets, if it differs from that of the L2TP packets inside.", "\"198.51.100.1\""},
{"tunnel.esp", "remote", text, "the tunnel's `remote`", "unicast address; only in mode `tunnel`", "The peer's address on the ESP packets.", "\"203.0.113.2\""},
{"tunnel.esp", "suite", text, "`aes-256-gcm`", "`aes-128-gcm`, `aes-256-gcm`, `chacha20-poly1305`, `aes-128-cbc-sha256`, `aes-256-cbc-sha256`, `aes-256-cbc-sha384`, `aes-256-cbc-sha512`", "Encryption and integrity. Keys are 20, 36, 36, 48, 64, 80 and 96 bytes long.", "\"aes-256-gcm\""},
{"tunnel.esp", "extended_sequence", boolean, "true", "", "64-bit sequence numbers. Both ends must agree.", "true"},
{"tunnel.esp", "replay_window", integer, "4096", "64 to 32768, a multiple of 64", "Packets that may overtake each other.", "4096"},
{"tunnel.esp", "keepalive", integer, "20", "0 to 3600; only with `udp`", "Seconds between NAT keepalives; 0: none.", "20"},
{"tunnel.esp", "out", table, kRequired, "", "The SA that we send with: what the peer has as `in`.", "{ spi = 0xc0000001, key_file = \"/etc/isthmus/keys/out.key\" }"},
{"tunnel.esp", "in", table, kRequired, "", "The SA that we receive with: what the peer has as `out`.", "{ spi = 0xc0000002, key_file = \"/etc/isthmus/keys/in.key\" }"},

{"tunnel.esp.out", "spi", integer, kRequired, "256 to 4294967295", "Security Parameters Index.", "0xc0000001"},
{"tunnel.esp.out", "key_file", text, "none", "path, relative to this file's folder if not absolute", "File with the key in hex. Owner root or the daemon's user, mode 0600 or 0400.", "\"/etc/isthmus/keys/out.key\""},
{"tunnel.esp.out", "insecure_inline_key", text, "none", "hex", "The key itself, for throw-away labs; warned about. One of the two is required.", "\"...\""},
{"tunnel.esp.in", "spi", integer, kRequired, "256 to 4294967295", "Security Parameters Index.", "0xc0000002"},
{"tunnel.esp.in", "key_file", text, "none", "path, relative to this file's folder if not absolute", "As for `out`; never the same key.", "\"/etc/isthmus/keys/in.key\""},
{"tunnel.esp.in", "insecure_inline_key", text, "none", "hex", "As for `out`.", "\"...\""},

{"tunnel.ike", "auth", text, kRequired, "`psk`, `certificate`", "How the two sides prove who they are: a secret that both know, or certificates.", "\"certificate\""},
{"tunnel.ike", "psk_file", text, "none", "path, relative to this file's folder if not absolute; only with `psk`", "File with the secret: one line of text, or hex behind `0x`. Owner root or the daemon's user, mode 0600 or 0400. `openssl rand -base64 32` makes a good one.", "\"/etc/isthmus/keys/cloud.psk\""},
{"tunnel.ike", "certificate", text, "none", "path; only with `certificate`", "PEM file with our certificate, then intermediate ones if there are any. `isthmus pki` makes it.", "\"/etc/isthmus/pki/gw.pem\""},
{"tunnel.ike", "key", text, "none", "path; only with `certificate`", "PEM file with the certificate's private key, mode 0600 or 0400.", "\"/etc/isthmus/pki/gw.key\""},
{"tunnel.ike", "ca", texts, "none", "paths; only with `certificate`", "PEM files of the authorities that may certify the peer.", "[\"/etc/isthmus/pki/ca.pem\"]"},
{"tunnel.ike", "crl", texts, "none", "paths; only with `certificate`", "PEM files of revocation lists. They are read again by a reload.", "[\"/etc/isthmus/pki/ca.crl\"]"},
{"tunnel.ike", "require_crl", boolean, "false", "only with `certificate`", "Refuse a peer unless there is a list in date from each authority of its chain. Without it a missing list, or one out of date, is no reason.", "true"},
{"tunnel.ike", "accept_without_clock", boolean, "false", "only with `certificate`", "While this machine's clock is behind what it has certainly seen, do not look at the dates of certificates. Without it no peer is accepted until the time is known.", "true"},
{"tunnel.ike", "local_identity", text, "first name of the certificate; with `psk`, the address `local`", "domain name, e-mail address, IP address, distinguished name, or `keyid:TEXT`", "Who we are. With `certificate`, a name in our certificate.", "\"dc-gw.example.org\""},
{"tunnel.ike", "remote_identity", text, "with `psk`: `any`", "as `local_identity`, or `any`; required with `certificate`", "Who the peer has to be. With `certificate`, a name in its certificate.", "\"cloud-gw.example.org\""},
{"tunnel.ike", "local", text, "the tunnel's `local`", "unicast address; only in mode `tunnel`", "Our address for IKE and ESP, if it differs from that of the L2TP packets inside.", "\"198.51.100.1\""},
{"tunnel.ike", "remote", text, "the tunnel's `remote`", "address, DNS name or `any`; only in mode `tunnel`", "Where the peer's IKE is.", "\"vpn.example.org\""},
{"tunnel.ike", "role", text, "`both`", "`both`, `initiator`, `responder`", "Who begins. With `remote = \"any\"` always the peer.", "\"both\""},
{"tunnel.ike", "mode", text, "`transport`", "`transport`, `tunnel`", "ESP mode. `tunnel` is for VPN services that know no other.", "\"transport\""},
{"tunnel.ike", "encapsulation", text, "`auto`", "`auto`, `always`, `never`", "ESP in UDP 4500: where there is a NAT on the way, always (for clouds that only let UDP pass), or never.", "\"auto\""},
{"tunnel.ike", "ike_suites", texts, "all but the last two", "`aes-256-gcm`, `aes-128-gcm`, `chacha20-poly1305`, `aes-256-cbc-sha256`, `aes-256-cbc-sha384`, `aes-256-cbc-sha512`, `aes-128-cbc-sha256`, `aes-128-cbc-sha384`, `aes-128-cbc-sha512`", "Encryption of IKE, best first.", "[\"aes-256-gcm\"]"},
{"tunnel.ike", "prfs", texts, "all", "`sha256`, `sha384`, `sha512`", "Pseudo-random functions of IKE (HMAC with SHA-2), best first.", "[\"sha256\"]"},
{"tunnel.ike", "groups", texts, "all", "`x25519`, `ecp256`, `ecp384`, `ecp521`, `modp2048`, `modp3072`, `modp4096`", "Key exchange, best first. The first one is sent unasked: a peer that has it saves a round trip.", "[\"x25519\", \"ecp256\"]"},
{"tunnel.ike", "esp_suites", texts, "all but `aes-256-cbc-sha384`", "`aes-256-gcm`, `aes-128-gcm`, `chacha20-poly1305`, `aes-256-cbc-sha256`, `aes-256-cbc-sha384`, `aes-256-cbc-sha512`, `aes-128-cbc-sha256`", "Encryption of ESP, best first.", "[\"aes-256-gcm\"]"},
{"tunnel.ike", "forward_secrecy", text, "`preferred`", "`off`, `preferred`, `required`", "A key exchange of its own for each renewal of ESP's keys.", "\"required\""},
{"tunnel.ike", "extended_sequence", text, "`preferred`", "`off`, `preferred`, `required`", "64-bit sequence numbers in ESP.", "\"preferred\""},
{"tunnel.ike", "replay_window", integer, "4096", "64 to 32768, a multiple of 64", "Packets that may overtake each other.", "4096"},
{"tunnel.ike", "rekey", integer, "3600", "60 to 604800", "Seconds after which ESP's keys are renewed, less up to a tenth at random.", "3600"},
{"tunnel.ike", "ike_rekey", integer, "14400", "60 to 2592000", "The same for IKE's own keys.", "14400"},
{"tunnel.ike", "reauthenticate", integer, "0", "0, or 600 to 2592000", "Seconds after which both sides prove anew who they are, less up to a tenth at random, in a new IKE SA beside the old one, which then ends; 0: never.", "86400"},
{"tunnel.ike", "rekey_gigabytes", integer, "0", "0 to 1000000", "Renew ESP's keys after so many bytes, in units of 10^9, in either direction, less up to a tenth at random; 0: no limit.", "1000"},
{"tunnel.ike", "rekey_packets", integer, "0", "0, or 10000 to 4294967295", "The same in packets.", "1000000000"},
{"tunnel.ike", "dpd", integer, "10", "2 to 3600", "Seconds of silence, probes unanswered, after which a peer is lost and the tunnel rebuilt. Any authentic packet is a sign of life.", "10"},
{"tunnel.ike", "keepalive", integer, "20", "0 to 3600", "Seconds between NAT keepalives if we are behind a NAT; 0: none.", "20"},
{"tunnel.ike", "fragment_size", integer, "1280", "0, or 576 to 9000", "Largest IP packet of IKE; longer messages go in fragments of their own (RFC 7383). 0: not.", "1280"},
{"tunnel.ike", "childless", text, "`allow`", "`never`, `allow`, `prefer`", "IKE first, ESP in an exchange of its own (RFC 6023): taken from peers that want it, or offered.", "\"allow\""},
{"tunnel.ike", "ppk_file", text, "none", "path", "File with a post-quantum pre-shared key (RFC 8784), as `psk_file`.", "\"/etc/isthmus/keys/cloud.ppk\""},
{"tunnel.ike", "ppk_id", text, "none", "any text; required with `ppk_file`", "The key's name, the same on both sides.", "\"ppk-1\""},
{"tunnel.ike", "require_ppk", boolean, "true", "only with `ppk_file`", "Refuse peers that do not have it.", "true"},

{"session", "name", text, kRequired, "1 to 63 letters, digits, `.`, `_`, `-`", "What the session is called in status.", "\"vlans\""},
{"session", "tunnel", text, kRequired, "name of a tunnel", "The way it takes.", "\"cloud\""},
{"session", "bridge", text, kRequired, "name of a bridge", "Where its frames come from and go to.", "\"br-dc\""},
{"session", "interface", text, "`ist-` and the name", "1 to 15 characters, an interface name", "The TAP that is the session's port on the bridge. Names that do not fit are cut and made unique by a checksum.", "\"ist-vlans\""},
{"session", "pseudowire", text, "`ethernet`", "`ethernet`, `ethernet-vlan`", "Pseudowire type 5 or 4 of RFC 4719. With `ethernet-vlan` every frame has a tag.", "\"ethernet\""},
{"session", "local_id", integer, "required if static", "1 to 4294967295", "Session ID that we receive with: the peer's `remote_id`. No two sessions of a daemon share one.", "0xa1b2c3d4"},
{"session", "remote_id", integer, "required if static", "1 to 4294967295", "Session ID that we send with.", "0x51627384"},
{"session", "local_cookie", text, "required if static", "hex of 0, 4 or 8 bytes", "Expected in what we receive: the peer's `remote_cookie`.", "\"f1f2f3f4f5f6f7f8\"", "write 8 random bytes in hex, as in local_cookie = \"f1f2f3f4f5f6f7f8\", or local_cookie = \"\" to do without"},
{"session", "remote_cookie", text, "required if static", "hex of 0, 4 or 8 bytes", "Put into what we send.", "\"0102030405060708\"", "write the peer's local_cookie, as in remote_cookie = \"0102030405060708\", or remote_cookie = \"\" to do without"},
{"session", "receive_sublayer", text, "`none`", "`none`, `default`", "L2-Specific Sublayer in what we receive.", "\"none\""},
{"session", "send_sublayer", text, "`none`", "`none`, `default`", "L2-Specific Sublayer in what we send. The peer says so if negotiated.", "\"none\""},
{"session", "send_sequence", boolean, "false", "needs `send_sublayer = \"default\"`", "Number what we send. The peer says so if negotiated.", "false"},
{"session", "receive_sequencing", text, "`ignore`", "`ignore`, `drop-out-of-order`; the latter needs `receive_sublayer = \"default\"`", "What to do with the peer's numbers.", "\"ignore\""},
{"session", "end_id", text, "the session's name", "1 to 255 characters; if negotiated", "Remote End ID: how the peer knows which of its sessions is meant. The same at both ends.", "\"vlans\""},
{"session", "cookie_size", integer, "8", "8, 4 or 0; if negotiated", "Bytes of the random cookie that the peer has to put into what it sends.", "8"},
{"session", "cookie_rotation", integer, "0", "0, or 60 to 604800; if negotiated", "Seconds after which ids and cookies are changed, without loss; 0: never.", "3600"},
{"session", "bfd", boolean, "true", "if negotiated", "Watch the data path inside the pseudowire with BFD (RFC 5885), if the peer can.", "true"},
{"session", "bfd_interval", integer, "300", "10 to 60000; if negotiated", "Milliseconds between BFD packets.", "300"},
{"session", "bfd_multiplier", integer, "3", "2 to 50; if negotiated", "Intervals without a BFD packet after which the data path counts as dead.", "3"},
{"session", "vlans", text, "none", "numbers and ranges of 1 to 4094, or `any`", "Tagged VLANs that cross, by their outermost tag. `any`: the port as it is, tagged or not.", "\"10,20-29\""},
{"session", "untagged", boolean, "false", "not with `any`", "Untagged and priority-tagged frames cross too.", "true"},
{"session", "access_vlan", integer, "none", "1 to 4094; not with `vlans` or `untagged`", "One-VLAN session: the tag is removed towards the tunnel and added from it, so that the two sites may number it differently.", "100"},
{"session", "bpdu", text, "`filter`", "`filter`, `guard`, `transparent`", "Spanning trees. `filter`: kept in, both ways. `guard`: the same, and one from the tunnel is an alarm that suspends its VLAN. `transparent`: one tree over the WAN.", "\"filter\""},
{"session", "root_guard", boolean, "false", "only with `bpdu = \"transparent\"`", "Our root stays the root: better ones from the tunnel do not pass.", "true"},
{"session", "topology_changes", integer, "10", "0 to 1000; only with `bpdu = \"transparent\"`", "Topology change notifications that cross in a minute; 0: any number.", "10"},
{"session", "link_local", texts, "none", "`cdp`, `vtp`, `dtp`, `pagp`, `udld`, `cisco_other`, `lacp`, `slow_other`, `eapol`, `lldp`, `mrp`, `vendor`, `reserved_address`", "Protocols between neighbours that cross all the same.", "[\"lldp\"]"},
{"session", "probes", boolean, "as `guard.probes`", "", "Loop probes in this session's VLANs.", "true"},
{"session", "observe", boolean, "as `guard.observe`", "", "Everything but the drop, for this session.", "false"},
{"session", "mac_limit", integer, "2000", "0 to 100000", "Hosts of one VLAN that are let through at once, of each side. Those beyond wait until others fall silent; 0: any number.", "2000"},
{"session", "mac_limit_session", integer, "4000", "0 to 100000", "The same for all VLANs of the session.", "4000"},
{"session", "dual_gateway", text, "none", "numbers and ranges of 1 to 4094, or `all`", "VLANs that have a gateway in each site: the gateways' frames stay in theirs.", "\"10,20-29\""},
{"session", "gateways", texts, "none", "VLAN or `untagged`, address, perhaps MAC", "Those gateways whose ARP and neighbour advertisements stay in their site.", "[\"10 192.0.2.1\"]"},
{"session", "keep_dhcp", boolean, "false", "", "In VLANs of `dual_gateway`, DHCP servers' answers stay too.", "true"},
{"session", "storm", table, "as `guard.storm`", "", "Limits of this session's flooded frames.", ""},
{"session", "split_horizon", text, "none", "1 to 63 letters, digits, `.`, `_`, `-`", "Group. Sessions of one group exchange no frames on their bridge, and may share VLANs.", "\"mesh\""},
{"session", "transit", text, "none", "1 to 63 letters, digits, `.`, `_`, `-`", "Group. Sessions of one group pass frames on to each other: this site is a hub, or part of a ring. They may share VLANs; where they form a circle the guard keeps one way of it closed.", "\"ring\""},
{"session", "redundancy", text, "none", "1 to 63 letters, digits, `.`, `_`, `-`", "Group of ways to the same place, which may share VLANs. Without election, the first in the file forwards and the others stay blocked.", "\"pair\""},

{"session.storm", "address_resolution", text, "`300 pps`", "a limit", "ARP, RARP, neighbour discovery, and DHCP of clients.", "\"300 pps\""},
{"session.storm", "broadcast", text, "`500 pps`", "a limit", "Other broadcast.", "\"500 pps\""},
{"session.storm", "local_multicast", text, "`500 pps`", "a limit", "Multicast to 224.0.0.0/24 and ff02::/16: routing protocols, mDNS.", "\"500 pps\""},
{"session.storm", "multicast", text, "`2000 pps`", "a limit", "Other multicast.", "\"2000 pps\""},
{"session.storm", "unknown_unicast", text, "`500 pps`", "a limit", "Unicast to hosts that were not heard on the other side.", "\"500 pps\""},
{"session.storm", "every", text, "none", "a limit", "The same for each of these classes that has none of its own here.", "\"1000 pps\""},
{"session.storm", "all", text, "10 % of the tunnel's `rate`", "a limit", "All classes together.", "\"10 %\""},
{"session.storm", "per_source", text, "`20 pps, burst 40`", "a limit in pps", "Address resolution of one source MAC, so that one flooder does not starve the others.", "\"20 pps, burst 40\""},
});
// clang-format on

}  // namespace

std::string KeySpec::path() const {
    return section.empty() ? std::string(key) : std::string(section) + "." + std::string(key);
}

std::string KeySpec::written() const {
    if (type == tables) return "[[" + path() + "]]";
    if (example.empty()) return "[" + path() + "]";
    return std::string(key) + " = " + std::string(example);
}

std::span<const KeySpec> schema() noexcept {
    return kSchema;
}

const KeySpec* find_spec(std::string_view section, std::string_view key) noexcept {
    const auto* const found = std::find_if(kSchema.begin(), kSchema.end(), [&](const KeySpec& spec) {
        return spec.section == section && spec.key == key;
    });
    return found == kSchema.end() ? nullptr : found;
}

std::vector<std::string_view> keys_of(std::string_view section) {
    std::vector<std::string_view> keys;
    for (const KeySpec& spec : kSchema)
        if (spec.section == section) keys.push_back(spec.key);
    return keys;
}

std::string_view name_of(KeyType type) noexcept {
    switch (type) {
        case text: return "text";
        case integer: return "integer";
        case boolean: return "true or false";
        case texts: return "array of text";
        case table: return "table";
        case tables: return "tables";
    }
    return "";
}

bool fits(KeyType type, const Value& value) noexcept {
    const auto all_are = [&value](ValueType element) {
        return value.type == ValueType::array &&
               std::all_of(value.entries.begin(), value.entries.end(),
                           [element](const Entry& entry) { return entry.value.type == element; });
    };
    switch (type) {
        case text: return value.type == ValueType::text;
        case integer: return value.type == ValueType::integer;
        case boolean: return value.type == ValueType::boolean;
        case texts: return all_are(ValueType::text);
        case table: return value.type == ValueType::table;
        case tables: return all_are(ValueType::table);
    }
    return false;
}

}  // namespace isthmus::config
