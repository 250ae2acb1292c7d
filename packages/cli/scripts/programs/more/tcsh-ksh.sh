# SPDX-License-Identifier: BSD-3-Clause
tcsh -f -c 'set a=(1 2 3); echo $#a; foreach i ($a); echo $i; end; @ x = 3 * 4; echo $x' 
ksh93 -c 'typeset -i x=5; print $((x*2.5)); print ${.sh.version:0:7}; for ((i=0;i<3;i++)); do print $i; done'
