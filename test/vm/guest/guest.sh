# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# What the agent and the prompt have in common.

# The host cuts the kernel's log at these lines.
mark() {
  echo "pinring-mark: $1" >/dev/kmsg
}

# What udev's rule and a board's administrator do elsewhere: the nodes belong to
# group "pinring", which uid 1000 is in. The switches of the simulator and of the
# model are root's; the tests, which are not root, turn them.
open_to_user() {
  for node in /dev/pinring*; do
    [ -e "$node" ] && chgrp pinring "$node" && chmod 0660 "$node"
  done
  for switches in /sys/kernel/debug/pinring_sim /sys/kernel/debug/pinring_model; do
    [ -d "$switches" ] && chown -R 1000:1000 "$switches"
  done
  return 0
}

load_modules() {
  [ -s /modules/order ] || return 0
  while read -r module; do
    insmod "/modules/$module" 2>/run/insmod.error || {
      mark "insmod $module failed: $(cat /run/insmod.error)"
      return 1
    }
  done </modules/order
  # Probing may go on after insmod has returned.
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    if [ -e /dev/pinring0 ]; then
      open_to_user
      return 0
    fi
    sleep 0.5
  done
  echo "no /dev/pinring0 appeared" >/run/insmod.error
  mark "loading failed: no /dev/pinring0 appeared"
  return 1
}

# A ring that was just closed keeps pinring for a moment more.
remove_module() {
  for _ in 1 2 3 4 5 6 7 8 9; do
    rmmod "$1" 2>/run/insmod.error && return 0
    sleep 1
  done
  rmmod "$1" 2>/run/insmod.error
}

# pinring first: it holds the channels of the others.
unload_modules() {
  {
    echo pinring.ko
    grep -vx pinring.ko /modules/order
  } >/run/unload
  while read -r module; do
    remove_module "${module%.ko}" || {
      mark "rmmod $module failed: $(cat /run/insmod.error)"
      return 1
    }
  done </run/unload
}
