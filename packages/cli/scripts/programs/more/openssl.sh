# SPDX-License-Identifier: BSD-3-Clause
echo hi > h
openssl genpkey -algorithm ed25519 -out k 2>/dev/null
openssl pkey -in k -pubout -out p
openssl pkeyutl -sign -rawin -inkey k -in h -out s && openssl pkeyutl -verify -rawin -pubin -inkey p -in h -sigfile s
openssl req -x509 -newkey rsa:2048 -nodes -keyout rk -out rc -days 1 -subj /CN=x 2>/dev/null
openssl verify -CAfile rc rc
head -c 300000 /dev/zero | openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -S 0011223344556677 | md5sum
openssl dgst -sha3-256 h
