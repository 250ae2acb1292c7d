# SPDX-License-Identifier: BSD-3-Clause
rm -rf r1 r2
cp -a /usr/share/doc/bash r1
rsync -a r1/ r2/ && diff -r r1 r2 && echo same
echo x >> r1/new
rsync -ai r1/ r2/ | grep new
rsync -a --delete --dry-run -v /etc/default/ r2/ | tail -1 | cut -c1-20
