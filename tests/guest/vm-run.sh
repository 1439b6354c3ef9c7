#!/bin/bash
# vm-run.sh COMMAND [ARG...] - run COMMAND under a stock Debian kernel (QEMU, TCG or KVM).
#
# The guest sees this machine's root file system through a read-only 9p share
# under a tmpfs overlay: every program here is there, nothing it writes comes
# back, except what it writes below $VM_OUT (a writable share, mounted in the
# guest at the same path).  COMMAND runs as root in the caller's directory; its
# stdout, stderr and exit status become this script's own.
#
#   VM_CACHE     kernel + initramfs cache          (default ~/.cache/isthmus/guest)
#   VM_OUT       writable shared folder            (default: a temporary one)
#   VM_TIMEOUT   seconds for boot + command        (default 120; then status 124)
#   VM_MEM       guest memory in MiB (1024)        VM_SMP   virtual CPUs (2)
#   VM_LOCK      if set, flock(1) this file for the duration of the run
#   VM_ACCEL     tcg (default) or kvm              VM_QEMU  extra qemu arguments
#   VM_CPU       CPU model (max; host for kvm)     VM_MACHINE  machine type (pc)
#   VM_PASS      names of environment variables to hand to COMMAND
#   VM_VERBOSE   1: say how long boot and command took
#   VM_KERNEL    package to take the kernel from   (default linux-image-amd64)
#
# Needs: qemu-system-x86, busybox-static, kmod, xz-utils, apt (only to fill the cache).
set -u
PATH=$PATH:/usr/sbin:/sbin
: "${VM_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/isthmus/guest}" "${VM_TIMEOUT:=120}" "${VM_MEM:=1024}"
: "${VM_SMP:=2}" "${VM_ACCEL:=tcg}" "${VM_KERNEL:=linux-image-amd64}" "${VM_VERBOSE:=0}"
die() { echo "vm-run: $*" >&2; exit 125; }
[ $# -gt 0 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 125; }

# ---- cache: kernel package, uncompressed kernel, initramfs -----------------
fill_cache() {
    local tmp pkg ver dep m n=100 skip
    if ! ls "$VM_CACHE"/k/boot/vmlinuz-* >/dev/null 2>&1; then
        tmp=$(mktemp -d "$VM_CACHE/dl.XXXXXX")
        pkg=$VM_KERNEL
        case $pkg in linux-image-[0-9]*) ;; *)
            pkg=$(apt-cache depends "$pkg" | awk '/Depends: linux-image-/{print $2; exit}') ;;
        esac
        [ -n "$pkg" ] || die "no kernel package behind $VM_KERNEL (apt-get update?)"
        (cd "$tmp" && apt-get -q download "$pkg" >&2 && dpkg-deb -x ./*.deb k) || die "cannot get $pkg"
        rm -rf "$VM_CACHE/k"; mv "$tmp/k" "$VM_CACHE/k"; rm -rf "$tmp"
    fi
    ver=$(basename "$VM_CACHE"/k/boot/vmlinuz-*); ver=${ver#vmlinuz-}
    [ -s "$VM_CACHE/k/lib/modules/$ver/modules.dep.bin" ] || depmod -b "$VM_CACHE/k" "$ver"

    # Unpacking the xz payload takes TCG longer than all the rest of the boot:
    # do it here, and let QEMU enter the plain ELF through its PVH note.
    if [ ! -s "$VM_CACHE/vmlinux" ]; then
        for skip in $(LC_ALL=C grep -obUaP '\xfd7zXZ\x00' "$VM_CACHE/k/boot/vmlinuz-$ver" | cut -d: -f1); do
            tail -c +$((skip + 1)) "$VM_CACHE/k/boot/vmlinuz-$ver" |
                xz -dc --single-stream >"$VM_CACHE/vmlinux.t" 2>/dev/null
            [ "$(head -c 4 "$VM_CACHE/vmlinux.t" | tail -c 3)" = ELF ] &&
                { strip -g -o "$VM_CACHE/vmlinux" "$VM_CACHE/vmlinux.t" 2>/dev/null ||
                  cp "$VM_CACHE/vmlinux.t" "$VM_CACHE/vmlinux"; break; }
        done
        rm -f "$VM_CACHE/vmlinux.t"
        [ -s "$VM_CACHE/vmlinux" ] || ln -sf "k/boot/vmlinuz-$ver" "$VM_CACHE/vmlinux"
    fi

    tmp=$(mktemp -d "$VM_CACHE/ird.XXXXXX")
    mkdir -p "$tmp"/{bin,dev,proc,sys,mods,root,ov,share}
    cp "$(command -v busybox)" "$tmp/bin/busybox"
    # insmod order: each module after what it needs
    for m in virtio_pci 9pnet_virtio 9p overlay; do
        modprobe -d "$VM_CACHE/k" -S "$ver" --show-depends "$m" | awk '$1=="insmod"{print $2}'
    done | awk '!s[$0]++' | while read -r dep; do
        cp "$dep" "$tmp/mods/$n-$(basename "$dep")"; n=$((n + 1))
    done
    [ "$(ls "$tmp/mods" | wc -l)" -ge 4 ] || die "initramfs: modules missing"
    cat >"$tmp/init" <<'INIT'
#!/bin/busybox sh
B=/bin/busybox
fail() { echo "vm-run init: $*" >/dev/console; $B reboot -f; }
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
for m in /mods/*; do $B insmod $m || fail insmod $m; done
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /root || fail mount host
$B mount -t tmpfs ov /ov; $B mkdir /ov/u /ov/w /ov/m
$B mount -t overlay -o lowerdir=/root,upperdir=/ov/u,workdir=/ov/w ov /ov/m || fail overlay
cd /ov/m
for d in proc sys dev; do $B mount --move /$d $d; done
$B mount -t tmpfs -o mode=755 run run; $B mkdir run/vm
$B mount -t 9p -o trans=virtio,version=9p2000.L,rw,msize=512000,access=client,cache=none ctl run/vm || fail mount ctl
exec $B switch_root /ov/m /bin/bash /run/vm/boot
INIT
    chmod 755 "$tmp/init"
    (cd "$tmp" && find . -print0 | busybox cpio -0 -o -H newc 2>/dev/null) >"$VM_CACHE/initrd.t" &&
        mv "$VM_CACHE/initrd.t" "$VM_CACHE/initrd" || die "cannot build the initramfs"
    rm -rf "$tmp"
    cksum <"$0" >"$VM_CACHE/stamp"
}
mkdir -p "$VM_CACHE" || die "cannot make $VM_CACHE"
VM_CACHE=$(realpath "$VM_CACHE")
for t in qemu-system-x86_64 busybox modprobe depmod xz; do
    command -v $t >/dev/null || die "$t is missing"
done
exec 7>"$VM_CACHE/lock"; flock 7
[ -s "$VM_CACHE/initrd" ] && [ "$(cat "$VM_CACHE/stamp" 2>/dev/null)" = "$(cksum <"$0")" ] || fill_cache
flock -u 7; exec 7>&-
ver=$(basename "$VM_CACHE"/k/boot/vmlinuz-*); ver=${ver#vmlinuz-}

# ---- one run ---------------------------------------------------------------
ctl=$(mktemp -d "${TMPDIR:-/tmp}/vm-run.XXXXXX") || die "mktemp"
qpid="" tpid1="" tpid2=""
cleanup() {
    [ -n "$qpid" ] && kill -9 "$qpid" 2>/dev/null
    [ -n "$tpid1$tpid2" ] && kill $tpid1 $tpid2 2>/dev/null
    rm -rf "$ctl"
}
trap cleanup EXIT; trap 'exit 130' INT; trap 'exit 143' TERM
if [ -n "${VM_OUT:-}" ]; then mkdir -p "$VM_OUT" && VM_OUT=$(realpath "$VM_OUT") || die "VM_OUT"
else VM_OUT=$ctl/out; mkdir "$VM_OUT"; fi
: >"$ctl/stdout"; : >"$ctl/stderr"

{   # what the guest runs as pid 1
    echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C.UTF-8'
    printf 'export VM=1 VM_OUT=%q\n' "$VM_OUT"
    for v in ${VM_PASS:-}; do [ -n "${!v+x}" ] && printf 'export %s=%q\n' "$v" "${!v}"; done
    printf 'mkdir -p %q; mount -t 9p -o trans=virtio,version=9p2000.L,rw,msize=512000,access=client,cache=none out %q\n' "$VM_OUT" "$VM_OUT"
    printf 'mkdir -p /lib/modules; mount --bind %q /lib/modules\n' "$VM_CACHE/k/lib/modules"
    cat <<'BOOT'
hostname vm; ip link set lo up
mkdir -p /dev/pts /dev/shm; mount -t devpts -o ptmxmode=666 pts /dev/pts; mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /run/lock 2>/dev/null; mkdir -p /run/netns
ln -sfn /proc/self/fd /dev/fd; ln -sfn fd/0 /dev/stdin; ln -sfn fd/1 /dev/stdout; ln -sfn fd/2 /dev/stderr
cut -d' ' -f1 /proc/uptime >/run/vm/t0
BOOT
    printf 'cd %q\n' "$PWD"
    printf '( exec 3>&- '; printf '; exec'; printf ' %q' "$@"
    echo ' ) >/run/vm/stdout 2>/run/vm/stderr </dev/null &'
    cat <<'BOOT'
wait $!; rc=$?
cut -d' ' -f1 /proc/uptime >/run/vm/t1
cd /; sync -f "$VM_OUT" 2>/dev/null
echo $rc >/run/vm/rc.t; mv /run/vm/rc.t /run/vm/rc
exec /bin/busybox reboot -f
BOOT
} >"$ctl/boot"

append="console=ttyS0 quiet panic=-1 reboot=t mitigations=off nopti nokaslr no_timer_check tsc=reliable \
audit=0 apparmor=0 cryptomgr.notests random.trust_cpu=on rcupdate.rcu_expedited=1 8250.nr_uarts=1 i8042.noaux \
net.ifnames=0 rdinit=/init"
accel=tcg,thread=multi,tb-size=512 cpu=${VM_CPU:-max} machine=${VM_MACHINE:-pc,usb=off,vmport=off,hpet=off}
[ "$VM_ACCEL" = kvm ] && accel=kvm cpu=${VM_CPU:-host}
if [ -n "${VM_LOCK:-}" ]; then exec 8>"$VM_LOCK"; flock 8; fi
start=$(date +%s.%N)
qemu-system-x86_64 -accel $accel -cpu $cpu -machine "$machine" -m "$VM_MEM" -smp "$VM_SMP" \
    -nodefaults -no-user-config -display none -no-reboot -kernel "$VM_CACHE/vmlinux" -initrd "$VM_CACHE/initrd" \
    -append "$append" -serial "file:$ctl/console" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    -virtfs "local,path=$ctl,mount_tag=ctl,security_model=none,multidevs=remap" \
    -virtfs "local,path=$VM_OUT,mount_tag=out,security_model=none,multidevs=remap" \
    -nic none ${VM_QEMU:-} >"$ctl/qemu" 2>&1 </dev/null 8>&- &
qpid=$!
tail -q -n +1 -s 0.05 --pid=$qpid -f "$ctl/stdout" 8>&- & tpid1=$!
tail -q -n +1 -s 0.05 --pid=$qpid -f "$ctl/stderr" >&2 8>&- & tpid2=$!
late=''
deadline=$((SECONDS + VM_TIMEOUT))
while kill -0 $qpid 2>/dev/null && [ ! -e "$ctl/rc" ]; do
    [ $SECONDS -lt $deadline ] || { late=1; kill -9 $qpid; break; }
    sleep 0.05
done
[ -n "$late" ] || for _ in $(seq 60); do kill -0 $qpid 2>/dev/null || break; sleep 0.05; done
kill -9 $qpid 2>/dev/null; wait $qpid 2>/dev/null; qpid=
wait $tpid1 $tpid2 2>/dev/null; tpid1='' tpid2=''
end=$(date +%s.%N)
if [ "$VM_VERBOSE" = 1 ] && [ -s "$ctl/rc" ]; then
    awk -v a="$start" -v b="$end" -v t0="$(cat "$ctl/t0")" -v t1="$(cat "$ctl/t1")" -v k="$ver" 'BEGIN {
        printf "vm-run: kernel %s, command began at guest uptime %.2f s, ran %.2f s; whole run %.2f s\n", k, t0, t1-t0, b-a }' >&2
fi
if [ -s "$ctl/rc" ]; then exit "$(cat "$ctl/rc")"; fi
msg="guest ended without a status"; [ -n "$late" ] && msg="timed out after $VM_TIMEOUT s"
{ echo "vm-run: $msg; console:"
  tail -n 20 "$ctl/console" 2>/dev/null | tr -d '\r'; tail -n 5 "$ctl/qemu"; } >&2
[ -n "$late" ] && exit 124
exit 125
