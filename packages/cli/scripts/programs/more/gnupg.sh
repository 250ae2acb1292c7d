# SPDX-License-Identifier: BSD-3-Clause
cd /tmp
export GNUPGHOME=/tmp/gh
rm -rf $GNUPGHOME
mkdir -m 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-gen-key a@b ed25519 sign 1d 2>&1 | grep -v -e revoc -e marked -e directory
echo data > d
gpg --batch --quiet --yes -s d && gpg --batch -d d.gpg 2>/dev/null
gpgconf --kill all
