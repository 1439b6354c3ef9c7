"""What is keyed by IKEv2 in the guest: between isthmusd and a kernel whose keys strongSwan or libreswan agrees on."""
from variants import Variant

# What it is, and who begins.
CASES = {
    "IKE/l2tp-udp/raw-transport-esn/aes-256-gcm/we-begin":
        (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "a"),
    "IKE/l2tp-udp/raw-transport-esn/aes-256-gcm/strongswan-begins":
        (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "b"),
    "IKE/l2tp-udp/udp4500-transport-32bit/aes-128-gcm/we-begin":
        (Variant(suite="aes-128-gcm", carry="udp4500", mode="transport", sequence="32bit"), "a"),
    "IKE/l2tp-udp/udp4500-transport-32bit/chacha20-poly1305/strongswan-begins":
        (Variant(suite="chacha20-poly1305", carry="udp4500", mode="transport", sequence="32bit"), "b"),
    "IKE/l2tp-ip/raw-transport-32bit/aes-256-cbc-sha256/we-begin":
        (Variant(encap="ip", suite="aes-256-cbc-sha256", carry="raw", mode="transport", sequence="32bit"), "a"),
    "IKE/l2tp-ip/udp4500-transport-esn/aes-256-gcm/strongswan-begins":
        (Variant(encap="ip", suite="aes-256-gcm", carry="udp4500", mode="transport", sequence="esn"), "b"),
    "IKE/l2tp-udp/raw-tunnel-esn/aes-256-gcm/we-begin":
        (Variant(suite="aes-256-gcm", carry="raw", mode="tunnel", sequence="esn"), "a"),
}

LIBRESWAN = {
    "IKE/libreswan/l2tp-udp/raw-transport-esn/aes-256-gcm/we-begin":
        (Variant(suite="aes-256-gcm", carry="raw", mode="transport", sequence="esn"), "a"),
    "IKE/libreswan/l2tp-udp/raw-transport-32bit/chacha20-poly1305/libreswan-begins":
        (Variant(suite="chacha20-poly1305", carry="raw", mode="transport", sequence="32bit"), "b"),
    "IKE/libreswan/l2tp-ip/udp4500-transport-32bit/aes-128-gcm/we-begin":
        (Variant(encap="ip", suite="aes-128-gcm", carry="udp4500", mode="transport", sequence="32bit"), "a"),
    "IKE/libreswan/l2tp-ip/udp4500-transport-esn/aes-256-gcm/libreswan-begins":
        (Variant(encap="ip", suite="aes-256-gcm", carry="udp4500", mode="transport", sequence="esn"), "b"),
    "IKE/libreswan/l2tp-udp/raw-tunnel-32bit/aes-256-cbc-sha256/libreswan-begins":
        (Variant(suite="aes-256-cbc-sha256", carry="raw", mode="tunnel", sequence="32bit"), "b"),
    "IKE/libreswan/l2tp-udp/raw-transport-32bit/aes-256-cbc-sha256/we-begin":
        (Variant(suite="aes-256-cbc-sha256", carry="raw", mode="transport", sequence="32bit"), "a"),
}

PEERS = {"strongSwan": CASES, "libreswan": LIBRESWAN}


def file_name(case):
    return case.replace("/", "_")
