// SPDX-License-Identifier: BSD-3-Clause
/** Limits of a kernel that its superuser may change while it runs; what each begins with is Linux's value. */
import { INOTIFY_INSTANCES } from "./inotify.ts";
import { PIPE_MAXSIZE } from "./pipe.ts";
import { MQ_QUEUES } from "./posix-mq.ts";

export class Tunables {
  /** Bytes of the largest pipe without CAP_SYS_RESOURCE. */
  pipeMaxSize = PIPE_MAXSIZE;
  /** inotify descriptors of one process. */
  inotifyInstances = INOTIFY_INSTANCES;
  /** POSIX message queues without CAP_SYS_RESOURCE. */
  mqueues = MQ_QUEUES;
}
