# SPDX-License-Identifier: BSD-3-Clause
man -P cat bash 2>/dev/null | head -1 | tr -s ' '
sudo -V 2>/dev/null | head -1
