# SPDX-License-Identifier: BSD-3-Clause
proot -r / -w /tmp sh -c 'echo in proot; pwd'
proot -b /etc:/mnt ls /mnt/passwd
