// SPDX-License-Identifier: BSD-3-Clause
/**
 * The first processes of a system (DragonFly 2.0 sys/kern/init_main.c).
 *
 * Invariant
 *   I1  k.init exists before any other process. When the system was started for one program, it is a process of
 *       the kernel without threads, which adopts and reaps orphans; that program is its child.
 * @module
 */
import { ROOT_CRED, type Ucred } from "../sys/ucred.ts";
import type { Abi } from "./abi.ts";
import { Filedesc } from "./descrip.ts";
import type { ExecArgs } from "./exec.ts";
import { execve } from "./exec.ts";
import { allocPid, startLwp } from "./fork.ts";
import type { Kernel } from "./kernel.ts";
import { joinPgrp } from "./pgrp.ts";
import { type KernelFrame, Lwp, P_SYSTEM, Pgrp, Proc, SACTIVE, Session } from "./proc.ts";
import { Plimit, Rusage } from "./resource.ts";
import { Sigacts } from "./sig.ts";
import { Itimers } from "./time.ts";

/** A process that nobody forked: in a session of its own, below init (or init itself). */
function newProc(k: Kernel, abi: Abi, cred: Ucred): Proc {
  const pid = allocPid(k);
  const session = new Session(pid, null);
  const pgrp = new Pgrp(pid, session);
  const init = {
    pgrp, cred, sigacts: new Sigacts(), abi, limits: new Plimit(), ru: new Rusage(), cru: new Rusage(),
    itimers: new Itimers(),
  };
  const p = new Proc(k, pid, k.init, init);
  session.leader = p;
  k.pgrps.set(pid, pgrp);
  joinPgrp(p, pgrp);
  k.procs.set(pid, p);
  if (k.init !== null) k.init.children.add(p);
  p.startNs = k.nanouptime();
  p.stat = SACTIVE;
  return p;
}

/** Makes the kernel's own init, for systems that run one program. */
export function makeKernelInit(k: Kernel, abi: Abi): Proc {
  const p = newProc(k, abi, ROOT_CRED);
  p.flags |= P_SYSTEM;
  p.comm = "init";
  k.init = p;
  return p;
}

/**
 * Makes a process of the kernel with one thread, which runs `body` and never ends (DragonFly 2.0 sys/kern/kern_kthread.c,
 * kthread_create). It has the superuser's rights, no memory and no descriptors; its umask is 0.
 */
export function kthreadCreate(k: Kernel, name: string, body: (lp: Lwp) => KernelFrame): Proc {
  const lp = makeProcess(k, k.abis[0]!, ROOT_CRED);
  const p = lp.proc;
  p.flags |= P_SYSTEM;
  p.comm = name;
  p.fd!.umask = 0;
  lp.kcont = body(lp);
  startLwp(lp);
  return p;
}

export interface FirstProcess {
  cred: Ucred;
  abi: Abi;
  /** The process becomes init itself: pid 1. */
  asInit: boolean;
}

/** A user process below init (or init itself), its working directory at the root, without descriptors and without an image. */
export function makeProcess(k: Kernel, abi: Abi, cred: Ucred): Lwp {
  const p = newProc(k, abi, cred);
  p.fd = new Filedesc(k.mounts.root, k.mounts.root);
  const lp = new Lwp(k, p, p.pid, new Rusage());
  p.lwps.set(lp.tid, lp);
  k.lwps.set(lp.tid, lp);
  return lp;
}

/** Makes the first user process. The root file system is mounted. */
export function makeFirstProcess(k: Kernel, first: FirstProcess): Lwp {
  if (!first.asInit) makeKernelInit(k, first.abi);
  const lp = makeProcess(k, first.abi, first.cred);
  if (first.asInit) k.init = lp.proc;
  return lp;
}

/** Gives the process its image and lets it run. Throws what execve throws; the process is then still without one. */
export function execFirst(lp: Lwp, args: ExecArgs): void {
  const k = lp.k;
  k.curlwp = lp;
  try {
    execve(lp, args);
  } finally {
    k.curlwp = null;
  }
  startLwp(lp);
}
