"""What is run against the Linux kernel's L2TPv3 and XFRM: a pairwise cover of every value, and what the kernel cannot do.

A Variant is one configuration of both ends. `cover()` is deterministic, so names are stable and docs/interop.md can be checked.
"""
import dataclasses
import itertools

# isthmusd's suite -> (kernel arguments, bytes of keying material, IV, ICV, alignment of the ciphertext)
SUITES = {
    "aes-128-gcm": ("aead rfc4106(gcm(aes))", 20, 8, 16, 4),
    "aes-256-gcm": ("aead rfc4106(gcm(aes))", 36, 8, 16, 4),
    "chacha20-poly1305": ("aead rfc7539esp(chacha20,poly1305)", 36, 8, 16, 4),
    "aes-128-cbc-sha256": ("hmac(sha256)", 48, 16, 16, 16),
    "aes-256-cbc-sha256": ("hmac(sha256)", 64, 16, 16, 16),
    "aes-256-cbc-sha384": ("hmac(sha384)", 80, 16, 24, 16),
    "aes-256-cbc-sha512": ("hmac(sha512)", 96, 16, 32, 16),
}
WAN_MTU = 1700


@dataclasses.dataclass(frozen=True)
class Variant:
    encap: str = "udp"          # L2TPv3 over "udp" or "ip" (protocol 115)
    family: str = "v4"
    cookie: int = 8
    sublayer: str = "none"      # "none", "default"; "default-seq": with sequence numbers both ways
    suite: str = ""             # "" = no ESP
    carry: str = ""             # ESP "raw" (protocol 50) or "udp4500"
    mode: str = ""              # "transport" or "tunnel"
    sequence: str = ""          # "esn" or "32bit"
    bridge: str = "adopt"       # how isthmusd's side gets its bridge
    shape: str = "trunk"        # "trunk", or one of SHAPES

    @property
    def name(self):
        parts = [f"l2tp-{self.encap}-{self.family}", f"c{self.cookie}", self.sublayer]
        if self.suite:
            parts += [self.suite, f"{self.carry}-{self.mode}-{self.sequence}"]
        parts += [self.bridge] if self.bridge != "adopt" else []
        parts += [self.shape] if self.shape != "trunk" else []
        return "/".join(parts)

    def overhead(self):
        """Bytes around an Ethernet frame on the WAN without padding: (outside the ciphertext, inside it)."""
        ip = 20 if self.family == "v4" else 40
        l2tp = (8 + 8 if self.encap == "udp" else 4) + self.cookie + (4 if self.sublayer != "none" else 0)
        if not self.suite:
            return ip, l2tp
        _, _, iv, icv, _ = SUITES[self.suite]
        outside = ip + (8 if self.carry == "udp4500" else 0) + 8 + iv + icv
        return outside, l2tp + (ip if self.mode == "tunnel" else 0)

    def frame_mtu(self, path_mtu=WAN_MTU):
        """The largest Ethernet frame, tags included and without FCS, that fits one packet of the path."""
        outside, inside = self.overhead()
        room = path_mtu - outside
        if self.suite:
            align = SUITES[self.suite][4]
            room = room // align * align - 2    # pad length and next header (RFC 4303 section 2.4)
        return room - inside


L2TP = {
    "encap": ["udp", "ip"],
    "family": ["v4", "v6"],
    "cookie": [0, 4, 8],
    "sublayer": ["none", "default", "default-seq"],
}
ESP = L2TP | {
    "suite": list(SUITES),
    "carry": ["raw", "udp4500"],
    "mode": ["transport", "tunnel"],
    "sequence": ["esn", "32bit"],
    "bridge": ["adopt", "create"],
}

# More than a trunk of two VLANs; each is one variant.
SHAPES = {
    "one-vlan": "one-VLAN session: the tag is removed and added, so that VLAN 100 here is VLAN 200 there",
    "vlan-pw": "pseudowire type 4 with static ids: the kernel sees frames with a tag, as of an Ethernet session",
    "port": "port mode: untagged, tagged and doubly tagged frames of VLANs that no configuration names",
    "two-sessions": "two sessions on one tunnel, one VLAN each",
    "seq-send": "isthmusd sends sequence numbers, and ignores those it gets",
    "restart": "isthmusd is killed and started again: its sequence numbers go on, the kernel sees no replay",
}

# What this kernel cannot do, and why: printed as SKIP and kept in docs/interop.md.
KERNEL_LIMITS = [
    ("a sublayer that differs by direction", "`l2spec_type` is one value for both directions of a session"),
    ("negotiated pseudowire type 4 (Ethernet VLAN)", "`l2tp_eth` registers type 5 only; shape `vlan-pw` runs static type 4,"
     " whose bytes are those of an Ethernet session that carries tagged frames"),
    ("sequence numbers from the kernel alone", "on the first message without one it stops sending its own, and on the first"
     " with one it starts (`l2tp_recv_common`): towards isthmusd it is both or none"),
    ("replay windows above 4,096", "`XFRMA_REPLAY_ESN_MAX` is 4,096; isthmusd's own window goes to 32,768"),
    ("ESN without a replay window", "the kernel refuses `flag esn` with `replay-window 0`"),
]


def pairs(case, axes):
    return {((a, case[a]), (b, case[b])) for a, b in itertools.combinations(axes, 2)}


def cover(axes):
    """Greedy pairwise cover: every two values of two axes meet in some case. Deterministic."""
    todo = set()
    for a, b in itertools.combinations(axes, 2):
        todo |= {((a, x), (b, y)) for x in axes[a] for y in axes[b]}
    cases, turn = [], 0
    while todo:
        # begin with the smallest pair that is left, then give each other axis the value that covers most
        case = dict(sorted(todo, key=repr)[0])
        for axis in axes:
            if axis in case:
                continue
            options = axes[axis]
            options = options[turn % len(options):] + options[:turn % len(options)]
            case[axis] = max(options, key=lambda v: len(pairs(case | {axis: v}, [x for x in axes if x in case or x == axis]) & todo))
        todo -= pairs(case, axes)
        cases.append(case)
        turn += 1
    return [Variant(**case) for case in cases]


def holes(axes, cases):
    """Pairs of values that no case has: a cover has none."""
    met = set()
    for case in cases:
        met |= pairs(dataclasses.asdict(case), axes)
    for a, b in itertools.combinations(axes, 2):
        yield from (f"{a} {x} with {b} {y}" for x in axes[a] for y in axes[b] if ((a, x), (b, y)) not in met)


def variants():
    plain = cover(L2TP)
    esp = cover(ESP)
    base = Variant(suite="aes-256-gcm", carry="udp4500", mode="transport", sequence="esn")
    shapes = [dataclasses.replace(base, shape=shape, sublayer="default" if shape.startswith("seq") else "none") for shape in SHAPES]
    seen, out = set(), []
    for variant in plain + esp + shapes:
        if variant.name not in seen:
            seen.add(variant.name)
            out.append(variant)
    return out


if __name__ == "__main__":
    for variant in variants():
        print(f"{variant.name:90} frame_mtu {variant.frame_mtu()}")
