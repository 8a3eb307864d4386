#!/usr/bin/env bash
# Runs static x86-64 Linux programs on an emulated CPU with AVX-512 (Bochs, Skylake-X), for
# machines that lack it:  run.sh 'PROGRAM ARGUMENT...' ...   (SECONDS_LIMIT=1500 at most)
# Needs Debian's bochs, bochs-term, bochsbios, vgabios, isolinux, syslinux-common, xorriso,
# cpio and the cloud kernel image, which is unpacked into build/, never installed. Exits with
# the code of the first program that failed, 124 when time is up, 2 when the machine did not
# start. To boot takes most of a minute; programs run some hundred times slower than natively.
set -euo pipefail

limit=${SECONDS_LIMIT:-1500}
here=$(cd "$(dirname "$0")" && pwd)
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
mkdir -p "$room/initrd/dev" "$room/image/isolinux"
for command in "$@"; do
    read -r program arguments <<<"$command"
    install "$program" "$room/initrd/"
    echo "/$(basename "$program") $arguments" >>"$room/initrd/commands"
done
cd "$room"

download_kernel() {
    package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
    [ -n "$package" ] && apt-get -qq -o APT::Sandbox::User=root download "$package"
}
kernel=$here/build/vmlinuz
if [ ! -f "$kernel" ]; then
    download_kernel || { apt-get -qq update && download_kernel; } # the list may be an old one
    dpkg-deb --fsys-tarfile linux-image-*.deb | tar -x --wildcards './boot/vmlinuz-*'
    mkdir -p "$here/build"
    mv boot/vmlinuz-* "$kernel"
fi

cc -O2 -static "$here/init.c" -o initrd/init
(cd initrd && find . | cpio --quiet -o -H newc | gzip) >image/initrd.gz
cp "$kernel" image/vmlinuz
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 image/isolinux/
# Bochs 2.7 reports the size of the compact XSAVE area wrongly: without bits 321 and 323
# (xsavec, xsaves) the kernel believes the plain one, and enables AVX-512.
cat >image/isolinux/isolinux.cfg <<'END'
default test
label test
 kernel /vmlinuz
 append initrd=/initrd.gz console=ttyS0 quiet nopku clearcpuid=321,323 mitigations=off nosmp
END
xorriso -as mkisofs -quiet -o disc.iso -b isolinux/isolinux.bin -c isolinux/boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table image 2>xorriso.log
cat >bochsrc <<'END'
display_library: term
memory: guest=512, host=512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=1, ips=50000000
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path=disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial.txt
log: bochs.log
panic: action=fatal
END
echo continue >commands
touch serial.txt
# Bochs wants a terminal, and does not stop at power off: watch its serial port.
TERM=vt100 setsid script -qc "bochs -q -f bochsrc -rc commands" screen.log >/dev/null 2>&1 </dev/null &
machine=$!
for ((second = 0; second < limit; second++)); do
    if grep -q '^TEST-EXIT' serial.txt || ! kill -0 "$machine" 2>/dev/null; then break; fi
    sleep 1
done
kill -- -"$machine" 2>/dev/null || true
tr -d '\r' <serial.txt | sed -n '/^TEST-EXIT/!p'
code=$(tr -d '\r' <serial.txt | sed -n 's/^TEST-EXIT //p')
if [ -n "$code" ]; then exit "$code"; fi
if [ "$second" -ge "$limit" ]; then exit 124; fi
tail -n 5 bochs.log >&2
exit 2
