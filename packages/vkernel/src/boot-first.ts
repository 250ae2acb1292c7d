// SPDX-License-Identifier: BSD-3-Clause
/** The first user process of a booted system. */
import type { ConsoleSet, StdioKind } from "./boot-console.ts";
import { BootError, bootError, KernelPanic, waitAlone, withLoads, type LoadWait } from "./boot-error.ts";
import { provideNameserver, type NetworkOptions } from "./boot-network.ts";
import { execFirst, makeFirstProcess, makeKernelInit } from "./kern/init-main.ts";
import type { Kernel } from "./kern/kernel.ts";
import { panicState } from "./kern/panic.ts";
import type { Lwp } from "./kern/proc.ts";
import { EACCES, ENOENT, Errno } from "./sys/errno.ts";
import { ucredOf, type Ucred } from "./sys/ucred.ts";
import { cacheDrop } from "./vfs/namecache.ts";
import { NLC_FOLLOW, Nlookup, nlookup } from "./vfs/nlookup.ts";

export interface FirstProgram {
  /** Path, or a name that is looked for along PATH of `env`. */
  readonly path: string;
  /** Arguments, the program's name first. */
  readonly argv: readonly string[];
  /** "NAME=value" */
  readonly env: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  /**
   * "console": descriptors 0–2 are the console, a terminal if the host has one; "streams": they are the host's
   * streams and never a terminal; "none": no descriptors (init opens its own).
   */
  readonly stdio: StdioKind;
  /** The program is init: pid 1, and its end is the system's. */
  readonly init?: boolean;
}

/** Credentials of a program that is started from outside. */
export function programCred(program: Pick<FirstProgram, "uid" | "gid" | "groups">): Ucred {
  const { uid = 0, gid = 0, groups = [] } = program;
  return ucredOf(uid, gid, [...groups]);
}

/** Starts the first process; without one, the kernel's own init is all there is. */
export async function startFirst(
  k: Kernel,
  consoles: ConsoleSet,
  { first, network }: { readonly first?: FirstProgram; readonly network?: NetworkOptions },
): Promise<Lwp | null> {
  if (first === undefined) {
    makeKernelInit(k, k.abis[0]!);
    return null;
  }
  const lp = makeFirstProcess(k, { cred: programCred(first), abi: k.abis[0]!, asInit: first.init === true });
  if (network?.outgoing === true) await withLoads(k, () => provideNameserver(lp));
  await startProgram(lp, consoles, first);
  return lp;
}

/** Gives a process that has none its directory, its streams and its image, and lets it run. `wait`: for a slow disk. */
export async function startProgram(lp: Lwp, consoles: ConsoleSet, first: FirstProgram, wait: LoadWait = waitAlone): Promise<void> {
  const { k, proc: p } = lp;
  const { cred } = p;
  if (first.cwd !== undefined) {
    try {
      await withLoads(k, () => {
        const nch = nlookup(new Nlookup(cred, k.mounts.root, k.mounts.root), first.cwd!, NLC_FOLLOW);
        cacheDrop(p.fd!.cdir);
        p.fd!.cdir = nch;
      }, wait);
    } catch (e) {
      throw bootError("EOTHER", `working directory ${first.cwd}`, e);
    }
  }
  await withLoads(k, () => consoles.openStdio(lp, first.stdio), wait);

  let denied = false;
  for (const path of candidates(first)) {
    try {
      await withLoads(k, () => execFirst(lp, { path, argv: [...first.argv], envp: [...first.env] }), wait);
      return;
    } catch (e) {
      if (e === EACCES) denied = true;
      // An interpreter that is missing is not a program that is missing: the search ends there.
      if ((e === ENOENT && k.execRefusal === "") || e === EACCES) continue;
      throw execError(k, path, e);
    }
  }
  throw denied
    ? new BootError("EACCES", `${first.path}: permission denied (it is not an executable file, or not for uid ${cred.uid})`)
    : new BootError("ENOENT", `${first.path}: no such program in the guest's file system`);
}

/** Paths to try: the given one, or along PATH. */
function candidates(first: FirstProgram): string[] {
  if (first.path.includes("/")) return [first.path];
  const search = first.env.find((e) => e.startsWith("PATH="))?.slice(5) ?? "/bin:/usr/bin:/sbin:/usr/sbin";
  return search.split(":").map((dir) => (dir === "" ? first.path : `${dir}/${first.path}`));
}

function execError(k: Kernel, path: string, e: unknown): BootError | KernelPanic {
  if (!(e instanceof Errno)) return new KernelPanic(panicState(k), e);
  const why = k.execRefusal === "" ? `${path}: ${e.message}` : k.execRefusal;
  const code = e.name === "ENOENT" || e.name === "EACCES" || e.name === "ENOMEM" ? e.name : "ENOEXEC";
  return new BootError(code, why, e);
}

