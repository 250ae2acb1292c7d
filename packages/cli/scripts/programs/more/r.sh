# SPDX-License-Identifier: BSD-3-Clause
R --vanilla --slave -e 'set.seed(1); x<-rnorm(1000); print(summary(lm(x~seq_along(x)))$r.squared); print(sum(1:100)); m<-matrix(1:9,3); print(m%*%m); print(paste("a",1:3))' 2>&1
