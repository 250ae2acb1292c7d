# SPDX-License-Identifier: BSD-3-Clause
convert -size 120x90 gradient:red-blue -rotate 30 -resize 60x60 -blur 0x2 i.png
convert i.png rgb:- | md5sum
identify i.png | cut -d' ' -f2-3
