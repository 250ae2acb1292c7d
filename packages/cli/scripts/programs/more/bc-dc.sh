# SPDX-License-Identifier: BSD-3-Clause
echo 'scale=60; 4*a(1); e(1)' | bc -l
echo '2 200 ^ p' | dc
