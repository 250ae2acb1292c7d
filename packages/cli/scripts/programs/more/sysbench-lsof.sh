# SPDX-License-Identifier: BSD-3-Clause
sysbench cpu --time=1 --threads=2 run 2>&1 | grep -E "Number of threads|Prime numbers limit"
sysbench memory --memory-total-size=50M run 2>&1 | grep -c transferred
sysbench threads --time=1 run | grep -c "events (avg"
sysbench mutex run | grep -c "avg"
lsof -p $$ 2>/dev/null | head -1 | cut -c1-20
pstree -A $$ 2>/dev/null | head -1 | cut -c1-4
killall -l | head -1 | cut -c1-12
