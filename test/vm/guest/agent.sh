# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# Takes one command per line from the host and answers with lines that begin
# with "@". It never waits for a program, so that it can always be asked to end
# one; how long is too long is the host's to say.

. /etc/pinring.conf
. /lib/guest.sh

exec <"/dev/$CONTROL" >"/dev/$CONTROL" 2>/run/agent.error
stty -F "/dev/$CONTROL" raw -echo
exec 4>"/dev/$OUTPUT"
stty -F "/dev/$OUTPUT" raw -echo

# run SEQUENCE user|root terminal|pipe COMMAND-IN-BASE64
run() {
  sequence=$1 user=$2 kind=$3
  command=$(echo "$4" | base64 -d)
  open_to_user
  mark "begin $sequence"
  (
    if [ "$kind" = pipe ]; then
      {
        setsid sh /lib/start.sh "$user" "$command" </dev/null 2>&1 4>&-
        echo $? >/run/code
      } | cat >&4
    else
      setsid sh /lib/start.sh "$user" "$command" </dev/null >&4 2>&1 4>&-
      echo $? >/run/code
    fi
    end_processes
    mark "end $sequence"
    printf '\036end %s\n' "$sequence" >&4
    echo "@exit $sequence $(cat /run/code)"
  ) &
}

# The program, and every process it may have left behind.
end_processes() {
  session=$(cat /run/session)
  ps -o pid,user,sid | while read -r pid owner sid; do
    if [ "$owner" = user ] || [ "$sid" = "$session" ]; then
      kill -KILL "$pid"
    fi
  done
}

# Pins taken and pins given back since boot. The counters are per CPU and lag
# until stat_refresh is read.
pins() {
  cat /proc/sys/vm/stat_refresh >/dev/null
  while read -r name value; do
    case $name in
    nr_foll_pin_acquired) acquired=$value ;;
    nr_foll_pin_released) released=$value ;;
    esac
  done </proc/vmstat
  echo "@pins $acquired $released"
}

echo "@ready"
while read -r verb rest; do
  case $verb in
  run)
    # shellcheck disable=SC2086 # four words, none of them with a blank in it
    run $rest
    ;;
  kill)
    # Where the blocked tasks stand goes into the kernel's log first.
    echo w >/proc/sysrq-trigger
    end_processes
    echo "@killed"
    ;;
  pins) pins ;;
  mark)
    mark "$rest"
    echo "@marked"
    ;;
  unload)
    if unload_modules; then echo "@unload ok"; else echo "@unload $(cat /run/insmod.error)"; fi
    ;;
  load)
    if load_modules; then echo "@load ok"; else echo "@load $(cat /run/insmod.error)"; fi
    ;;
  leaks)
    # What a scan finds for the first time may be in a register still: the
    # second scan's findings count.
    for _ in 1 2; do
      echo scan >/sys/kernel/debug/kmemleak
      sleep 1
    done
    cat /sys/kernel/debug/kmemleak >/dev/kmsg
    echo "@leaks"
    ;;
  poweroff)
    sync
    poweroff -f
    ;;
  esac
done
