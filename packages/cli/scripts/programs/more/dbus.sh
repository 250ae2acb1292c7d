# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
dbus-daemon --session --address=unix:path=/tmp/dbs --nofork & p=$!; sleep 1; DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/dbs dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames 2>&1 | grep -c string; kill $p; wait 2>/dev/null; xxd -l 16 /bin/true | cut -c1-40; column -t <<< "a b
ccc d"
