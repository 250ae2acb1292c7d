# SPDX-License-Identifier: BSD-3-Clause
HOME=/tmp fish -c 'for i in (seq 3); echo $i; end; string upper abc; math "2^10"; set x (echo a b | string split " "); count $x; false; or echo or'
