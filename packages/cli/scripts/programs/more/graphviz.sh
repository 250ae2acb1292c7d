# SPDX-License-Identifier: BSD-3-Clause
dot -c
echo 'digraph { a -> b -> c; a -> c; b -> d }' | dot -Tplain | md5sum
echo 'graph { a -- b }' | dot -Tsvg | wc -l
