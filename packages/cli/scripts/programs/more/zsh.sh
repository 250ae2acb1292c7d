# SPDX-License-Identifier: BSD-3-Clause
zsh -c 'a=(3 1 2); print ${(o)a}; print ${${:-hello}:u}; for f in /etc/p*(.N); do print $f:t; done | head -3; zmodload zsh/datetime && print ok; (sleep 0.1; exit 4) & wait $!; print $?'
