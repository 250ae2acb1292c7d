# SPDX-License-Identifier: BSD-3-Clause
printf '%%!PS\n/Helvetica findfont 40 scalefont setfont 72 400 moveto (Hello) show 100 100 200 0 360 arc stroke showpage\n' > a.ps
gs -q -dNOPAUSE -dBATCH -sDEVICE=pgmraw -r36 -sOutputFile=o.pgm a.ps && md5sum o.pgm
gs -q -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -sOutputFile=o.pdf a.ps && head -c 5 o.pdf
