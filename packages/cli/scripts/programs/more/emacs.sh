# SPDX-License-Identifier: BSD-3-Clause
HOME=/tmp emacs --batch --eval '(progn (princ (format "%s %s\n" emacs-major-version (length (number-sequence 1 1000)))) (with-temp-buffer (insert "b\na\nc\n") (sort-lines nil (point-min) (point-max)) (princ (buffer-string))) (princ (md5 "x")) (terpri))' 2>&1
