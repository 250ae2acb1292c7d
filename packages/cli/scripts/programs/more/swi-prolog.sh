# SPDX-License-Identifier: BSD-3-Clause
swipl -g 'findall(X,(between(1,2000,X),0 is X mod 7),L),length(L,N),writeln(N),X2 is 3**100,writeln(X2),atom_length(abc,Q),writeln(Q)' -t halt 2>&1
