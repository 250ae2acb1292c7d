# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
iperf3 -s -1 -p 5300 > /tmp/is 2>&1 &
sleep 1
iperf3 -c 127.0.0.1 -p 5300 -t 1 -J | grep -c '"bytes"' | sed 's/[0-9][0-9]*/n/'
wait
ping -c 2 -i 0.2 127.0.0.1 2>&1 | grep -E "packets" | cut -d, -f1-3
ip addr show lo | grep -E "inet " | sed 's/ *//'
ss -ltn 2>/dev/null | head -1
