# SPDX-License-Identifier: BSD-3-Clause
echo 'let rec f n = if n < 2 then n else f (n-1) + f (n-2);; print_int (f 22);; print_newline ();; let l = List.sort compare (List.init 10000 (fun i -> (i * 7919) mod 10007));; print_int (List.nth l 5000);; print_newline ();;' > a.ml
ocaml a.ml
