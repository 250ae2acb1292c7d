# SPDX-License-Identifier: BSD-3-Clause
sbcl --noinform --no-userinit --non-interactive --eval '(progn (defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (compile (quote fib)) (print (fib 24)) (print (expt 7 120)) (gc :full t) (print (length (loop for i below 100000 collect (list i)))) (handler-case (car 1) (error () (print :err))) (terpri))'
