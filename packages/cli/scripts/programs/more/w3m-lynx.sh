# SPDX-License-Identifier: BSD-3-Clause
w3m -dump -T text/html <<< '<b>hi</b><ul><li>x</ul>'
lynx -dump -force_html -stdin <<< '<h1>t</h1><p>p</p>' 2>/dev/null
sqlite3 :memory: 'select 1+1'
