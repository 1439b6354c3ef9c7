#!/usr/bin/env bash
# Makes one machine of the lab what it is: provision.sh wan|dc-gw|cloud-gw|dc-host|cloud-host. Repeatable.
set -euo pipefail

SOURCE=/isthmus

main() {
    case $1 in
        wan) router ;;
        dc-gw) gateway dc 02:00:00:00:dc:01 02:00:00:00:dc:02 198.51.100.1 198.51.100.254 ;;
        cloud-gw) gateway cloud 02:00:00:00:c1:01 02:00:00:00:c1:02 203.0.113.1 203.0.113.254 ;;
        dc-host) host 1 02:00:00:00:dc:0a ;;
        cloud-host) host 2 02:00:00:00:c1:0a ;;
        *)
            echo "there is no machine $1" >&2
            exit 2
            ;;
    esac
}

router() {
    interface 02:00:00:00:fd:01 dc "inet static" "address 198.51.100.254/24"
    interface 02:00:00:00:fc:01 cloud "inet static" "address 203.0.113.254/24"
    echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-isthmus.conf
    sysctl -q -p /etc/sysctl.d/90-isthmus.conf
}

# SITE LAN-MAC WAN-MAC ADDRESS ROUTER
gateway() {
    local site=$1 file
    interface "$2" lan0 "inet manual" "up ip link set lan0 up"
    interface "$3" wan0 "inet static" "address $4/24" "up ip route replace 198.51.0.0/16 via $5" \
        "up ip route replace 203.0.0.0/16 via $5"
    "$SOURCE/dev" setup build demo
    "$SOURCE/dev" build release isthmusd isthmus
    install -m 0755 "$SOURCE"/build/release/appliance/{isthmusd,isthmus} /usr/local/sbin/
    install -d -m 0700 /etc/isthmus /etc/isthmus/keys
    install -m 0600 "$SOURCE/vagrant/lab/$site-gw.toml" /etc/isthmus/isthmus.toml
    for file in ca.pem "$site-gw.pem" "$site-gw.key"; do
        install -m 0600 "$SOURCE/vagrant/keys/$file" "/etc/isthmus/keys/$file"
    done
    install -m 0644 "$SOURCE/vagrant/isthmusd.service" /etc/systemd/system/isthmusd.service
    systemctl daemon-reload
    systemctl stop isthmusd
    systemctl enable --now isthmusd
}

# NUMBER MAC: untagged 10.0.0.N, and 10.0.V.N in VLANs 10, 20 and 30.
host() {
    local vlan
    interface "$2" lan0 "inet static" "address 10.0.0.$1/24"
    for vlan in 10 20 30; do
        stanza "lan0.$vlan" "inet static" "address 10.0.$vlan.$1/24" \
            "pre-up ip link show lan0.$vlan >/dev/null 2>&1 || ip link add link lan0 name lan0.$vlan type vlan id $vlan"
    done
    apt-get install -y -qq --no-install-recommends iperf3 tcpdump iputils-ping >/dev/null
}

# MAC NAME METHOD [OPTION...]: names an interface for good and configures it.
interface() {
    local mac=$1 name=$2 now
    printf '[Match]\nMACAddress=%s\n[Link]\nName=%s\n' "$mac" "$name" >"/etc/systemd/network/10-$name.link"
    now=$(ip -o link | awk -v mac="$mac" '$0 ~ mac { sub(":", "", $2); print $2; exit }')
    if [[ -n $now && $now != "$name" ]]; then
        ip link set "$now" down
        ip link set "$now" name "$name"
    fi
    stanza "${@:2}"
}

# NAME METHOD [OPTION...]
stanza() {
    {
        printf 'auto %s\niface %s %s\n' "$1" "$1" "$2"
        printf '    %s\n' "${@:3}"
    } >"/etc/network/interfaces.d/$1"
    ifdown "$1" 2>/dev/null || true
    ifup "$1"
}

main "$@"
