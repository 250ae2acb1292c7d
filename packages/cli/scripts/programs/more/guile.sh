# SPDX-License-Identifier: BSD-3-Clause
HOME=/tmp GUILE_AUTO_COMPILE=0 guile -c '(use-modules (srfi srfi-1)) (display (fold + 0 (iota 100000))) (newline) (display (expt 3 200)) (newline) (call-with-current-continuation (lambda (k) (display "cc") (k 1))) (newline)'
