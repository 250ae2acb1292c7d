# SPDX-License-Identifier: BSD-3-Clause
echo 'set s 0; for {set i 0} {$i<100000} {incr i} {incr s $i}; puts $s; puts [format %.10f [expr sqrt(2)]]; puts [clock format 0 -gmt 1]' | tclsh
expect -c 'spawn sh; expect "#"; send "echo mark\$((1+1))\r"; expect "mark2" { puts "\nok" }; send "exit\r"; expect eof' | tail -4 | tr -d '\r'
