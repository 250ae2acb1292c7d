// SPDX-License-Identifier: BSD-3-Clause
/**
 * Calls of 4.3BSD that DragonFly keeps with COMPAT_43, but for those on sockets (DragonFly 2.0 sys/emulation/43bsd).
 */
import { EINVAL, ENOSYS, EOPNOTSUPP } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { MAP_ANON, MAP_FIXED, MAP_INHERIT, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../sys/mman.ts";
import { SA_RESTART, SIGKILL, SIGSTOP, sigcantmask, SS_ONSTACK } from "../../sys/signal.ts";
import { VTTOIF } from "../../sys/stat.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import type { Vattr } from "../../vfs/vnode.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { sigactChanged, sigmaskChanged } from "../../kern/sig.ts";
import { kernFstat, kernStat } from "../../kern/sys-vfs.ts";
import { W_EXITED, WAIT_ALL, waitChild, type WaitResult, waitScan } from "../../kern/wait.ts";
import { fd, hex, int, path, pid, plain, sig, sleeps, type Sysent, uaddr, uint, uptr } from "../../kern/sysent.ts";
import { getPath, getWords, putBytes, putWords, TWO32 } from "./guest-struct.ts";
import { mmapRequest } from "./sys-memory.ts";
import { rlimitArg, setRlimit, statusWord } from "./sys-process.ts";
import { killWith } from "./sys-signal.ts";
import { sysctl } from "./sysctl.ts";

// ---------------------------------------------------------------------------------------------------------
// Files

const OSTAT_SIZE = 64;

/** struct ostat: 16-bit numbers, a size of -2 for what does not fit. */
function putOstat(lp: Lwp, uaddr: number, va: Vattr): number {
  const b = new Uint8Array(OSTAT_SIZE);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, va.fsid, true);
  dv.setUint32(4, va.fileid % TWO32, true);
  dv.setUint16(8, VTTOIF[va.type]! | va.mode, true);
  dv.setUint16(10, va.nlink, true);
  dv.setUint16(12, va.uid, true);
  dv.setUint16(14, va.gid, true);
  dv.setUint16(16, va.rdev, true);
  dv.setInt32(20, va.size < TWO32 ? va.size : -2, true);
  [va.atimeSec, va.atimeNsec, va.mtimeSec, va.mtimeNsec, va.ctimeSec, va.ctimeNsec].forEach((t, i) => dv.setInt32(24 + 4 * i, t, true));
  dv.setInt32(48, va.blocksize, true);
  dv.setInt32(52, Math.ceil(va.bytes / 512), true);
  dv.setUint32(56, va.flags, true);
  putBytes(lp, uaddr, b);
  return 0;
}
const ostat = (flags: number) => (lp: Lwp, a: Int32Array): number =>
  putOstat(lp, a[1]!, kernStat(lp, AT_FDCWD, getPath(lp, a[0]!), flags));

// ---------------------------------------------------------------------------------------------------------
// Memory

const OMAP_ANON = 0x0002;
const OMAP_SHARED = 0x0010;
const OMAP_FIXED = 0x0100;
const OMAP_INHERIT = 0x0800;

/** mmap(addr, len, prot, flags, fd, pos): execute is 1 and read is 4. */
function sysOmmap(lp: Lwp, a: Int32Array): number {
  const [p, f] = [a[2]!, a[3]!];
  const prot = ((p & 1) !== 0 ? PROT_EXEC : 0) | ((p & 2) !== 0 ? PROT_WRITE : 0) | ((p & 4) !== 0 ? PROT_READ : 0);
  const flags =
    ((f & OMAP_ANON) !== 0 ? MAP_ANON : 0) | ((f & OMAP_SHARED) !== 0 ? MAP_SHARED : MAP_PRIVATE) |
    ((f & OMAP_FIXED) !== 0 ? MAP_FIXED : 0) | ((f & OMAP_INHERIT) !== 0 ? MAP_INHERIT : 0);
  return mmapRequest(lp, a[0]!, a[1]!, prot, flags, a[4]!, a[5]!);
}

// ---------------------------------------------------------------------------------------------------------
// Signals: 32 of them, sets of one word

const ONSIG = 32;
/** What struct sigvec's flags can say; its restart bit is the other way round. */
const SV_FLAGS = 0x1f;

/** sigvec(signal, new, old): handler, mask, flags. */
function sysSigvec(lp: Lwp, a: Int32Array): number {
  const s = a[0]!;
  if (s <= 0 || s >= ONSIG) throw EINVAL;
  const p = lp.proc;
  const old = p.sigacts.get(s);
  if (a[1] !== 0) {
    const w = getWords(lp, a[1]!, 3);
    if ((s === SIGKILL || s === SIGSTOP) && w[0] !== 0) throw EINVAL;
    const mask = Int32Array.of(w[1]!, 0, 0, 0);
    sigcantmask(mask);
    p.sigacts.set(s, { handler: w[0]! >>> 0, flags: (w[2]! ^ SA_RESTART) & SV_FLAGS, mask, restorer: 0 });
    sigactChanged(p, s);
  }
  if (a[2] !== 0) putWords(lp, a[2]!, old.handler, old.mask[0]!, (old.flags & SV_FLAGS) ^ SA_RESTART);
  return 0;
}
function setMaskWord(lp: Lwp, word: number): number {
  const old = lp.sigmask[0]!;
  lp.sigmask[0] = word;
  sigcantmask(lp.sigmask);
  sigmaskChanged(lp);
  return old;
}
/** sigstack(new, old): an alternate stack of unknown size, given by its top. */
function sysSigstack(lp: Lwp, a: Int32Array): number {
  const old = [lp.sigstkSp, lp.sigstkSize !== 0 ? lp.sigstkFlags & SS_ONSTACK : 0];
  const next = a[0] === 0 ? null : getWords(lp, a[0]!, 2);
  if (a[1] !== 0) putWords(lp, a[1]!, ...old);
  if (next !== null) {
    lp.sigstkSp = next[0]! >>> 0;
    lp.sigstkSize = 0;
    lp.sigstkFlags = next[1]! & SS_ONSTACK;
  }
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Processes

/** wait(): any child; its status is the second word of the result. */
function reaped(lp: Lwp, r: WaitResult): number {
  lp.rv1 = statusWord(r);
  return r.pid;
}
function sysOwait(lp: Lwp): number {
  const r = waitScan(lp, WAIT_ALL, 0, W_EXITED);
  return r === null ? WOULDBLOCK : reaped(lp, r);
}
function* sysOwaitSlow(lp: Lwp): KernelFrame {
  return reaped(lp, (yield* waitChild(lp, WAIT_ALL, 0, W_EXITED))!);
}

const ORLIM_INFINITY = 0x7fff_ffff;
function sysOgetrlimit(lp: Lwp, a: Int32Array): number {
  const which = rlimitArg(a[0]!);
  const { cur, max } = lp.proc.limits;
  putWords(lp, a[1]!, Math.min(cur[which]!, ORLIM_INFINITY), Math.min(max[which]!, ORLIM_INFINITY));
  return 0;
}
function sysOsetrlimit(lp: Lwp, a: Int32Array): number {
  const w = getWords(lp, a[1]!, 2);
  const limit = (v: number): number => (v < 0 || v === ORLIM_INFINITY ? Infinity : v);
  return setRlimit(lp, rlimitArg(a[0]!), limit(w[0]!), limit(w[1]!));
}

/** getkerninfo(operation, buffer, length, argument): what sysctl tells, by older numbers. */
const KERNINFO: readonly (readonly number[])[] = [[1, 14], [4, 17, 0], [1, 13], [1, 15], [2, 1], [2, 2], [1, 12]];
function sysGetkerninfo(lp: Lwp, a: Int32Array): number {
  const what = (a[0]! >> 8) & 0xff;
  const mib = KERNINFO[what];
  if (mib === undefined) throw EOPNOTSUPP;
  const [PROC, ROUTE] = [0, 1];
  const rest = what === PROC ? [a[0]! & 0xff, a[3]!] : what === ROUTE ? [(a[0]! >> 16) & 0xff, a[0]! & 0xff, a[3]!] : [];
  return sysctl(lp, [...mib, ...rest], a[1]!, a[2]!, null);
}

export const OLD_ROWS: readonly Sysent[] = [
  plain(38, "ostat", [path, uptr], ostat(NLC_FOLLOW)),
  plain(40, "olstat", [path, uptr], ostat(0)),
  plain(62, "ofstat", [fd, uptr], (lp, a) => putOstat(lp, a[1]!, kernFstat(lp, a[0]!))),
  plain(63, "getkerninfo", [int, uptr, uptr, int], sysGetkerninfo),
  plain(71, "ommap", [uaddr, uint, hex, hex, fd, int], sysOmmap),
  plain(72, "vadvise", [int], () => {
    throw EINVAL;
  }),
  sleeps(84, "owait", [], sysOwait, sysOwaitSlow),
  plain(108, "sigvec", [sig, uptr, uptr], sysSigvec),
  plain(109, "sigblock", [hex], (lp, a) => setMaskWord(lp, lp.sigmask[0]! | a[0]!)),
  plain(110, "sigsetmask", [hex], (lp, a) => setMaskWord(lp, a[0]!)),
  plain(112, "sigstack", [uptr, uptr], sysSigstack),
  plain(142, "gethostid", [], (lp) => lp.k.hostid),
  plain(143, "sethostid", [int], (lp, a) => {
    suser(lp.proc);
    lp.k.hostid = a[0]!;
    return 0;
  }),
  plain(144, "ogetrlimit", [uint, uptr], sysOgetrlimit),
  plain(145, "osetrlimit", [uint, uptr], sysOsetrlimit),
  plain(146, "killpg", [pid, sig], (lp, a) => killWith(lp, -a[0]!, a[1]!)),
  plain(149, "quota", [], () => {
    throw ENOSYS;
  }),
];
