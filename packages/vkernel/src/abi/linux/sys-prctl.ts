// SPDX-License-Identifier: BSD-3-Clause
/** Linux settings of a process: prctl, capability sets, personality. */
import { CAP_SETPCAP, Capabilities, capable } from "../../sys/capability.ts";
import { EINVAL, EPERM, EFAULT } from "../../sys/errno.ts";
import { copyin, copyinWords, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { hex, int, partial, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { nativeSigno, linuxSigno } from "./signo.ts";
import { findProc } from "./sys-process.ts";

const PR_SET_PDEATHSIG = 1;
const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_GET_KEEPCAPS = 7;
const PR_SET_KEEPCAPS = 8;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_GET_SECCOMP = 21;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_GET_SECUREBITS = 27;
const PR_SET_SECUREBITS = 28;
const PR_SET_TIMERSLACK = 29;
const PR_GET_TIMERSLACK = 30;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_GET_CHILD_SUBREAPER = 37;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;
const PR_CAP_AMBIENT = 47;
const AMBIENT_IS_SET = 1;
const AMBIENT_RAISE = 2;
const AMBIENT_LOWER = 3;
const AMBIENT_CLEAR_ALL = 4;

function setCaps(p: Proc, caps: Capabilities): void {
  p.cred = { ...p.cred, caps };
}

function capAmbient(p: Proc, how: number, cap: number): number {
  const { caps } = p.cred;
  switch (how) {
    case AMBIENT_IS_SET:
      return (caps.ambient & Capabilities.bit(cap)) === 0n ? 0 : 1;
    case AMBIENT_RAISE:
      setCaps(p, caps.raiseAmbient(cap));
      return 0;
    case AMBIENT_LOWER:
      setCaps(p, caps.lowerAmbient(Capabilities.bit(cap)));
      return 0;
    case AMBIENT_CLEAR_ALL:
      if (cap !== 0) throw EINVAL;
      setCaps(p, caps.lowerAmbient(caps.ambient));
      return 0;
    default:
      throw EINVAL;
  }
}

/** Whether one of the arguments from the given one on says something where there is nothing to say. */
function unused(a: Int32Array, from: number): boolean {
  return a.subarray(from, 5).some((word) => word !== 0);
}

function sysPrctl(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  const vm = p.vmspace!;
  switch (a[0]) {
    case PR_SET_PDEATHSIG:
      if (a[1] !== 0 && nativeSigno(a[1]!) === 0) throw EINVAL;
      p.pdeathsig = nativeSigno(a[1]!);
      return 0;
    case PR_GET_PDEATHSIG:
      suword(vm, a[1]!, linuxSigno(p.pdeathsig));
      return 0;
    case PR_GET_DUMPABLE:
      return p.dumpable;
    case PR_SET_DUMPABLE:
      if (a[1] !== 0 && a[1] !== 1) throw EINVAL;
      p.dumpable = a[1]!;
      return 0;
    case PR_GET_KEEPCAPS:
      return p.cred.caps.keep ? 1 : 0;
    case PR_SET_KEEPCAPS:
      if (a[1] !== 0 && a[1] !== 1) throw EINVAL;
      setCaps(p, p.cred.caps.keeping(a[1] === 1));
      return 0;
    case PR_GET_SECCOMP:
    case PR_GET_SECUREBITS:
      return 0;
    case PR_SET_NAME: {
      const name = new Uint8Array(16);
      copyin(vm, a[1]!, name, 0, 16);
      lp.comm = String.fromCharCode(...name.subarray(0, 15)).replace(/\0.*$/s, "");
      if (lp.tid === p.pid) p.comm = lp.comm;
      return 0;
    }
    case PR_GET_NAME: {
      const name = new Uint8Array(16);
      for (let i = 0; i < lp.comm.length && i < 15; i++) name[i] = lp.comm.charCodeAt(i);
      copyout(vm, name, 0, a[1]!, 16);
      return 0;
    }
    case PR_SET_SECUREBITS:
      if (!capable(p.cred, CAP_SETPCAP)) throw EPERM;
      // No bit can be set: what user id 0 means is the same for all.
      if (a[1] !== 0) throw EINVAL;
      return 0;
    case PR_SET_TIMERSLACK:
      lp.slackNs = a[1]! > 0 ? a[1]! : lp.defaultSlackNs;
      return 0;
    case PR_GET_TIMERSLACK:
      return lp.slackNs;
    case PR_CAPBSET_READ:
      return (p.cred.caps.bounding & Capabilities.bit(a[1]!)) === 0n ? 0 : 1;
    case PR_CAPBSET_DROP:
      setCaps(p, p.cred.caps.dropBounding(a[1]!));
      return 0;
    case PR_CAP_AMBIENT:
      return capAmbient(p, a[1]!, a[2]!);
    case PR_SET_CHILD_SUBREAPER:
      p.subreaper = a[1] !== 0;
      return 0;
    case PR_GET_CHILD_SUBREAPER:
      suword(vm, a[1]!, p.subreaper ? 1 : 0);
      return 0;
    case PR_SET_NO_NEW_PRIVS:
      if (a[1] !== 1 || unused(a, 2)) throw EINVAL;
      p.noNewPrivs = true;
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      if (unused(a, 1)) throw EINVAL;
      return p.noNewPrivs ? 1 : 0;
    default:
      throw EINVAL;
  }
}

const CLONE_VM = 0x100;
const CLONE_FS = 0x200;
const CLONE_FILES = 0x400;
const CLONE_SIGHAND = 0x800;
const CLONE_THREAD = 0x1_0000;
const CLONE_SYSVSEM = 0x4_0000;
/** There are no namespaces, and what threads share is one record; nothing to separate is no error. */
function sysUnshare(lp: Lwp, a: Int32Array): number {
  const shared = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  if ((a[0]! & ~shared) !== 0 || (a[0] !== 0 && lp.proc.lwps.size > 1)) throw EINVAL;
  return 0;
}

function sysPersonality(lp: Lwp, a: Int32Array): number {
  const old = lp.proc.personality;
  if (a[0] !== -1) lp.proc.personality = a[0]!;
  return old;
}

const CAP_VERSION_1 = 0x1998_0330;
const CAP_VERSION_2 = 0x2007_1026;
const CAP_VERSION_3 = 0x2008_0522;

/** struct __user_cap_header: version and pid; how many words each set has. Null when the caller only asks for the version. */
function capHeader(lp: Lwp, a: Int32Array): { words: number; pid: number } | null {
  const vm = lp.proc.vmspace!;
  const hdr = new Int32Array(2);
  copyinWords(vm, a[0]!, hdr, 2);
  const words = hdr[0] === CAP_VERSION_1 ? 1 : hdr[0] === CAP_VERSION_2 || hdr[0] === CAP_VERSION_3 ? 2 : 0;
  if (words === 0) {
    suword(vm, a[0]!, CAP_VERSION_3);
    if (a[1] === 0) return null;
    throw EINVAL;
  }
  if (hdr[1]! < 0) throw EINVAL;
  return { words, pid: hdr[1]! };
}

/** struct __user_cap_data[words]: effective, permitted, inheritable. */
function sysCapget(lp: Lwp, a: Int32Array): number {
  const header = capHeader(lp, a);
  if (header === null) return 0;
  const { caps } = (header.pid === 0 ? lp.proc : findProc(lp, header.pid)).cred;
  if (a[1] === 0) throw EFAULT;
  const w = new Int32Array(3 * header.words);
  [caps.effective, caps.permitted, caps.inheritable].forEach((set, i) => {
    for (let word = 0; word < header.words; word++)
      w[3 * word + i] = Number(BigInt.asIntN(32, set >> BigInt(32 * word)));
  });
  copyoutWords(lp.proc.vmspace!, w, a[1]!, w.length);
  return 0;
}
function sysCapset(lp: Lwp, a: Int32Array): number {
  const header = capHeader(lp, a);
  if (header === null) throw EINVAL;
  if (header.pid !== 0 && header.pid !== lp.proc.pid) throw EPERM;
  const w = new Int32Array(6);
  copyinWords(lp.proc.vmspace!, a[1]!, w, 3 * header.words);
  const set = (i: number): bigint => BigInt(w[i]! >>> 0) | (BigInt(w[3 + i]! >>> 0) << 32n);
  setCaps(lp.proc, lp.proc.cred.caps.set(set(0), set(1), set(2)));
  return 0;
}

export const PRCTL_ROWS: readonly Sysent[] = [
  partial(
    plain(310, "unshare", [hex], sysUnshare),
    "EINVAL: threads share descriptors and directories, processes share nothing",
  ),
  partial(plain(136, "personality", [hex], sysPersonality), "kept; of its bits READ_IMPLIES_EXEC has an effect"),
  partial(
    plain(172, "prctl", [int, hex, hex, hex, hex], sysPrctl),
    "names, death signal, dumpable, subreaper, no_new_privs, capability sets",
  ),
  plain(184, "capget", [uptr, uptr], sysCapget),
  plain(185, "capset", [uptr, uptr], sysCapset),
];
