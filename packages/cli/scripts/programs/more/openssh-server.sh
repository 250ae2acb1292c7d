# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
rm -rf sk
mkdir -p sk /run/sshd
ssh-keygen -q -t ed25519 -N '' -f sk/h
ssh-keygen -q -t ed25519 -N '' -f sk/u
cp sk/u.pub sk/a
chmod 600 sk/a
chmod 700 sk
/usr/sbin/sshd -D -p 2222 -o ListenAddress=127.0.0.1 -h /tmp/sk/h -o AuthorizedKeysFile=/tmp/sk/a -o StrictModes=no -o UsePAM=no -o PidFile=none -o PermitRootLogin=yes > sk/log 2>&1 &
p=$!
sleep 2
ssh -p 2222 -i sk/u -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 'echo in; id -u; head -c 100000 /dev/zero | md5sum'
echo $?
echo put sk/u.pub sk/copy | sftp -q -P 2222 -i sk/u -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1 2>&1 | tail -1
kill $p
wait 2>/dev/null
tail -2 sk/log
