// SPDX-License-Identifier: BSD-3-Clause
/** kcmp(2): whether two processes share something of the kernel's (Linux kernel/kcmp.c). */
import { EBADF, EINVAL, EOPNOTSUPP, EPERM, ESRCH } from "../../sys/errno.ts";
import type { Lwp } from "../../kern/proc.ts";
import { mayTrace } from "../../kern/ptrace.ts";
import { hex, int, pid, plain, type Sysent } from "../../kern/sysent.ts";

const KCMP_FILE = 0;
const KCMP_SYSVSEM = 6;
const KCMP_EPOLL_TFD = 7;

/** Numbers of objects that were compared, in the order in which they were first seen: an order is all that callers may have. */
const numbers = new WeakMap<object, number>();
let lastNumber = 0;
function numberOf(o: object): number {
  let n = numbers.get(o);
  if (n === undefined) numbers.set(o, (n = ++lastNumber));
  return n;
}

function fileOf(lp: Lwp, fd: number): object {
  const { fd: table } = lp.proc;
  if (table === null) throw EBADF;
  return table.get(fd);
}

/** What the types compare, by their number; null where both have none. */
const OBJECTS: readonly ((lp: Lwp, fd: number) => object | null)[] = [
  fileOf,
  (lp) => lp.proc.vmspace,
  // Descriptors and the working directory are one record here, and so shared together.
  (lp) => lp.proc.fd,
  (lp) => lp.proc.fd,
  (lp) => lp.proc.sigacts,
  // Contexts of input and output exist for processes.
  (lp) => lp.proc,
];

function thread(lp: Lwp, id: number): Lwp {
  const t = lp.k.lwps.get(id);
  if (t === undefined) throw ESRCH;
  return t;
}

/** kcmp(pid1, pid2, type, idx1, idx2): 0 the same, 1 and 2 the order of two. Throws ESRCH, EPERM, EINVAL, EBADF, EOPNOTSUPP. */
function sysKcmp(lp: Lwp, a: Int32Array): number {
  const [one, two] = [thread(lp, a[0]!), thread(lp, a[1]!)];
  for (const t of [one, two]) if (t.proc !== lp.proc && !mayTrace(lp.proc, t.proc)) throw EPERM;
  const type = a[2]! >>> 0;
  if (type > KCMP_EPOLL_TFD) throw EINVAL;
  // Lists of semaphore operations to undo are the processes' own; neither is shared while there is none.
  if (type === KCMP_SYSVSEM || type === KCMP_EPOLL_TFD) throw EOPNOTSUPP;
  const object = OBJECTS[type]!;
  const [x, y] = [object(one, type === KCMP_FILE ? a[3]! : 0), object(two, type === KCMP_FILE ? a[4]! : 0)];
  if (x === y) return 0;
  if (x === null || y === null) return x === null ? 1 : 2;
  return numberOf(x) < numberOf(y) ? 1 : 2;
}

export const KCMP_ROWS: readonly Sysent[] = [plain(349, "kcmp", [pid, pid, int, hex, hex], sysKcmp)];
