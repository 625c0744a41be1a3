# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# A prompt on the console; leaving it ends the guest.

. /lib/guest.sh

cat <<TEXT

pinring guest: $(uname -r). You are root; "su user" is uid 1000, who has the devices.
Programs are in /programs, files given with --add in /data, the switches of the
simulator in /sys/kernel/debug/pinring_sim, those of the model of the AXI DMA in
/sys/kernel/debug/pinring_model. "exit" ends the guest.

TEXT
ls /dev/pinring* 2>/dev/null || echo "no /dev/pinring*: see dmesg"
export PATH=/programs:/data:/bin HOME=/root TERM="${TERM:-vt100}" PS1='\u@guest \w \$ '
cd /root || exit
setsid cttyhack sh
poweroff -f
