# SPDX-License-Identifier: BSD-3-Clause
head -c 2000000 /usr/bin/bash > z
for c in "zstd -q -19 -c" "lz4 -q -c" "xz -c" "bzip2 -c"; do $c z | md5sum; done
zstd -q -c z | zstd -dc | cmp - z && echo ok
7z a -bd -y z.7z z > /dev/null && 7z x -so -bd z.7z | cmp - z && echo 7ok
echo '{"a":[1,2,{"b":3}]}' | jq -c '.a[2].b, (.a|length)'
