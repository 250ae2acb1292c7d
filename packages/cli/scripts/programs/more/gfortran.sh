# SPDX-License-Identifier: BSD-3-Clause
printf 'program p\n real(8)::a(50,50),b(50,50)\n integer i,j\n do i=1,50\n do j=1,50\n a(i,j)=sin(real(i*j,8))\n end do\n end do\n b=matmul(a,transpose(a))\n print "(f20.10)",sum(b)\n print *, 1.0q0/3\nend\n' > f.f90
gfortran -O2 -o f f.f90 && ./f
