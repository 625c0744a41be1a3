# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# start.sh user|root COMMAND: under setsid, so that this process leads a session
# by which all of it can be ended.

echo $$ >/run/session
cd /tmp || exit
export PATH=/programs:/data:/bin HOME=/home/user TERM=dumb
if [ "$1" = user ]; then
  # uid 1000 with the memlock limit that users have.
  ulimit -l 8192
  ulimit -c 0
  exec su -s /bin/sh user -c "$2"
fi
exec sh -c "$2"
