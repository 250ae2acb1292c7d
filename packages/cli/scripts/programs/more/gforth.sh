# SPDX-License-Identifier: BSD-3-Clause
gforth -e ': fib dup 2 < if else dup 1- recurse swap 2 - recurse + then ; 22 fib . cr bye'
