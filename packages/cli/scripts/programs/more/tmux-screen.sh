# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
export TERM=xterm
tmux -L t new-session -d -s a 'sh -c "echo in tmux; sleep 5"' && sleep 1
tmux -L t capture-pane -p -t a | head -1
tmux -L t list-sessions | cut -d: -f1,2 | cut -c1-12
tmux -L t kill-server
screen -dmS s sh -c 'echo hi > /tmp/scr'
sleep 2
cat /tmp/scr
