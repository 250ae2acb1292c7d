# SPDX-License-Identifier: BSD-3-Clause
gnuplot -e 'set term dumb 60 15; plot sin(x)' | md5sum
gnuplot -e 'set term svg; set output "o.svg"; plot x**2' 
wc -l < o.svg
