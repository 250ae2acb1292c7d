// SPDX-License-Identifier: BSD-3-Clause
/** Programs on a terminal, driven through tmux and compared by what stands on the screen; procps. */

/**
 * Shell functions: `start COMMAND` in a terminal of 80 × 24; `keys KEY…` as `tmux send-keys` takes them; `seen TEXT` waits for it on
 * the screen; `show TEXT` prints the screen when TEXT is on it and nothing has changed for half a second; `finish` waits for the end.
 */
const SCREEN = String.raw`T='tmux -L t -f /dev/null'; export TERM=xterm-256color
start() { $T new-session -d -s s -x 80 -y 24 "$1"; $T set -g status off > /dev/null; $T set -g escape-time 0 > /dev/null; }
keys() { $T send-keys -t s "$@" 2> /dev/null; }
seen() { n=0; while ! $T capture-pane -p -t s 2> /dev/null | grep -qF -e "$1"; do n=$((n + 1)); [ $n = 600 ] && { echo "never on the screen: $1"; $T capture-pane -p -t s; return 1; }; sleep 0.1; done; }
show() { seen "$1"; was=; now=x; while [ "$was" != "$now" ]; do was=$now; sleep 0.5; now=$($T capture-pane -p -t s 2> /dev/null); done; echo "--- $1"; echo "$now" | sed 's/  *[0-9]* seconds* ago  */ T ago /'; }
finish() { n=0; while $T has-session -t s 2> /dev/null; do n=$((n + 1)); [ $n = 300 ] && { echo 'did not end'; $T capture-pane -p -t s; $T kill-server; return 1; }; sleep 0.1; done; echo ended; }
`;

const VIM = `${SCREEN}seq 1 200 > f; printf 'int main() {\\nreturn 0;\\n}\\n' > t.c
start 'vim -u NONE -N f'; show '"f" 200L'; keys ':set number ruler hlsearch' Enter; keys '/77' Enter; show '77,1'
keys 'dd' 'i' 'hello world' Escape; keys ':%s/1\\([0-9]\\)$/<\\1>/g' Enter; show substitutions; keys 'u'; show changes
keys ':1,5normal Ax' Enter 'gg' 'V' 'jj' 'y' 'G' 'p'; show 200; keys ':sp t.c' Enter; keys ':syntax on' Enter 'gg=G'; seen '     return 0'; show 'return 0'; keys ':%!sort -r' Enter; show '}'; keys ':wqa' Enter; finish
cksum f t.c; start 'vim -u NONE -N -n f'; show '"f" 2'; keys 'ihalf' Escape ':!echo from the shell' Enter; show 'from the shell'; keys Enter ':q!' Enter; finish
vim -es -u NONE -c '%s/2/two/g' -c 'wq' f; cksum f; vim --version | head -1; ls -a`;

const BASH = `${SCREEN}start 'PS1="> " bash --norc --noprofile'; seen '>'; keys 'echo one' Enter; show one; keys Up 'x' Enter; show onex; keys 'sleep 100' Enter; sleep 0.5; keys C-c; keys 'echo after $?' Enter; show 'after 130'
keys 'cat' Enter; sleep 1; keys 'typed' Enter; seen typed; keys C-z; show Stopped; keys 'jobs' Enter; keys 'fg' Enter; keys 'more' Enter; seen more; keys C-d; keys 'echo status $?' Enter; show 'status 0'; keys C-l; keys 'ls /et' Tab 'hosts' Enter; show /etc/hosts
$T resize-window -t s -x 60 -y 20; keys 'stty size; echo $COLUMNS; tty | cut -c 1-9' Enter; show '20 60'; keys 'echo abc def' C-a M-f C-k '!' Enter; keys C-r 'status'; show '(reverse'; keys C-c; keys 'read -s p' Enter; sleep 1; keys 'secret' Enter; sleep 1; keys 'echo got $p' Enter; show 'got secret'; keys 'exit 7' Enter; finish`;

export const TERMINAL = [
  { name: "vim", script: VIM, limit: 120 },
  {
    name: "less",
    script: `${SCREEN}seq 1 500 | sed 's/$/ line/' > f; export LESSHISTFILE=-; start 'less f'; show f; keys Space; show '46 line'; keys '/333' Enter; show '333 line'; keys G; show '(END)'; keys 'g' '50%'; show ' line'; keys '&77' Enter; show '477 line'; keys '=' ; show byte; keys q; finish; start 'seq 1 3000 | less -N -S +G'; show 3000; keys q; finish; less f | cksum; echo x | less -F; : > g.log; start 'LESS=R less +F g.log'; show 'Waiting for data'; keys C-c; keys q; finish`,
    limit: 120,
  },
  { name: "bash-on-a-terminal", script: BASH, limit: 120 },
  {
    name: "python-on-a-terminal",
    script: `${SCREEN}start 'python3 -q'; seen '>>>'; keys 'import os, sys; sys.stdin.isatty(), os.get_terminal_size()' Enter; show columns=80; keys 'for i in range(3): print(i * 7)' Enter; seen '...'; keys Enter; show 14; keys Up Up C-c; show KeyboardInterrupt; keys 'import time; time.sleep(50)' Enter; sleep 1; keys C-c; show '<module>'; keys C-d; finish`,
    limit: 120,
  },
  {
    name: "top-and-htop",
    script: `${SCREEN}sleep 1000 & start 'top -d 1'; seen COMMAND; seen sleep; seen tmux; keys 'q'; finish; start 'htop -d 5'; seen F10Quit; seen 'sleep 1000'; seen 'Load average'; keys F5; seen F5List; keys q; finish; top -b -n 2 -d 0.2 | grep -c 'sleep$'; top -b -n 1 | sed -n '1s/ -.*//p;2s/:.*//p;3s/(s).*//p;4s/:.*//p;7s/  */ /gp'; kill $!`,
    limit: 120,
  },
  {
    name: "tmux",
    script: `${SCREEN}start 'sh -c "echo first; exec cat"'; seen first; $T split-window -h -t s 'echo second; exec cat'; sleep 1; $T list-panes -t s -F '#{pane_width}x#{pane_height} #{pane_current_command}'; $T new-window -t s 'seq 1 100; exec sleep 50'; sleep 1; $T capture-pane -p -S -80 -t s | head -40 | cksum; $T set-buffer pasted; $T select-window -t s:0; $T paste-buffer -t s; sleep 0.5; $T capture-pane -p -t s; $T list-windows -t s -F '#I #{window_panes}'; $T kill-server; sleep 0.5; pgrep -c cat`,
    limit: 120,
  },
  {
    name: "procps",
    script: String.raw`sleep 1234 & s=$!; sh -c 'while :; do :; done' & b=$!; sleep 1.2; ps -o pid=,ppid=,pgid=,sid=,comm=,args=,tty=,nice=,stat=,nlwp=,user=,wchan= -p $s | sed "s/\b$s\b/S/g; s/\b$$\b/P/g" | awk '{ $3 = $4 = ""; print $1, $2, $5, $6, $7, $8, $9, $10, $11, $12 }'; ps -o time=,c= -p $b | awk '{ print ($1 ~ /^00:00:0[0-9]$/, $2 > 0) }'; ps --ppid $$ -o comm= > list; sort list | uniq -c; ps -ef | awk '{ print $NF }' | grep -c '^1234'; ps aux | head -1 | tr -s ' '; ps -L -o lwp= -p $s | wc -l; ps -eo pid --no-headers | wc -l | awk '{ print ($1 >= 4) }'; pgrep -x sleep | wc -l; pgrep -f 'sleep 1234' | grep -cx $s; pwdx $s | cut -d ' ' -f 2; pmap $s | tail -1 | awk '{ print $1 }'; pmap -x $s | grep -q libc; echo $?; free -b | awk 'NR == 2 { print ($2 >= $3 + $4, $2 > 100000000) }'; uptime | grep -c 'load average'; cut -d ' ' -f 4 /proc/loadavg | grep -c /; vmstat 1 2 | tail -1 | awk '{ print NF }'; w -h | wc -l; tload -V | cut -d ' ' -f 1; sysctl -n kernel.ostype kernel.hostname; sysctl nosuch.name; echo $?; watch -v | cut -d ' ' -f 1; kill -l | wc -w; renice -n 5 -p $s | sed "s/$s/S/"; ps -o ni= -p $s; kill -STOP $s; sleep 0.2; ps -o stat= -p $s | cut -c 1; pkill -CONT -x sleep; sleep 0.2; ps -o stat= -p $s | cut -c 1; pkill -f '^sleep 123[4]'; sleep 0.3; wait $s; echo $?; kill -9 $b; sleep 0.3; wait $b; echo $?; cat /proc/$$/comm; tr '\0' ' ' < /proc/$$/cmdline | cut -c 1-12; readlink /proc/$$/exe /proc/$$/cwd; grep -c heap /proc/$$/maps; awk '/^(Name|Threads|Uid|SigIgn|SigCgt)/' /proc/$$/status; wc -w < /proc/$$/stat; ls /proc/$$/fd | head -3; cat /proc/$$/oom_score_adj; ls /proc/$$/task | wc -l; cat /proc/sys/kernel/pid_max > /dev/null; ls -d /sys/class > /dev/null; echo $?`,
  },
  {
    name: "script-and-stty",
    script: `script -q -e -c 'stty -a | head -1 | cut -d ";" -f 1; stty rows 30 cols 99; stty size; stty -echo raw; stty -a | grep -o -e "-icanon" -e "-echo " -e "-opost"; stty sane; tty | cut -c 1-9; exit 6' out < /dev/null; echo $?; head -1 out | cut -c 1-14; printf 'a\\nb\\n' | script -q -c cat /dev/null | tr -d '\\r'; infocmp xterm | head -1; tput -T xterm cols; tput -T vt100 clear | od -An -c; setterm --help > /dev/null; echo $?; mesg n < /dev/null; echo $?; wall -V | cut -d ' ' -f 1`,
  },
];
