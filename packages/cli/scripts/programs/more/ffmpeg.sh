# SPDX-License-Identifier: BSD-3-Clause
ffmpeg -v error -y -f lavfi -i testsrc=d=1:s=160x120:r=10 -c:v mpeg4 -threads 2 -flags bitexact o.avi && ffmpeg -v error -i o.avi -f framemd5 - | tail -3
ffmpeg -v error -y -f lavfi -i sine=d=1 -c:a flac -flags bitexact o.flac && ffmpeg -v error -i o.flac -f md5 -
