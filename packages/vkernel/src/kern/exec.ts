// SPDX-License-Identifier: BSD-3-Clause
/**
 * execve: replaces a process's image (DragonFly 2.0 sys/kern/kern_exec.c).
 *
 * Invariants
 *   X1  The new address space is built completely, arguments and stack included, before the old one is touched:
 *       a failed exec leaves the caller as it was, whatever failed. Only closing descriptors and changing over
 *       remain after that, and they cannot fail.
 *   X2  All other threads have ended before the new image is built.
 *   X3  Set-id bits count only on a mount that allows it, and for the script's interpreter, not the script.
 *   X4  A file that is executed is not open for writing, and the other way round (ETXTBSY).
 * @module
 */
import { E2BIG, EACCES, EFAULT, EINTR, ENOENT, ENOEXEC, ETXTBSY, ELOOP, Errno, ELIBBAD } from "../sys/errno.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { MAP_ANON, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE, VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import { knote, NOTE_EXEC } from "../sys/event.ts";
import { SS_DISABLE } from "../sys/signal.ts";
import { VEXEC } from "../sys/ucred.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import { MNT_NOEXEC, MNT_NOSUID } from "../vfs/mount.ts";
import { cacheDrop, cacheFullpath, type Nchandle } from "../vfs/namecache.ts";
import { NLC_FOLLOW, Nlookup, nlookup } from "../vfs/nlookup.ts";
import type { Vattr, Vnode } from "../vfs/vnode.ts";
import { VLNK, VREG, vref, vrele } from "../vfs/vnode.ts";
import { vnodeObject, vnodeRead } from "../vfs/vnode-pager.ts";
import { copyinstr, fuword } from "../vm/copyio.ts";
import { mmap } from "../vm/mmap.ts";
import type { VmObject } from "../vm/object.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { vmspaceAlloc, vmspaceFree } from "../vm/vmspace.ts";
import type { Abi } from "./abi.ts";
import { killOtherLwps, releaseVforkParent } from "./exit.ts";
import { futexThreadExit } from "./futex.ts";
import { elfBrand, type ElfHeaders, ET_DYN, ImageRefused, isElf, type LoadedElf, loadElf, parseElf, placeElf } from "./imgact-elf.ts";
import { parseScript } from "./imgact-shell.ts";
import type { Kernel } from "./kernel.ts";
import type { KernelFrame, Lwp, Proc } from "./proc.ts";
import { P_EXEC, P_SUGID, READ_IMPLIES_EXEC } from "./proc.ts";
import { traceExec } from "./ptrace.ts";
import { lookupPath } from "./sys-vfs.ts";
import { RLIMIT_STACK } from "./resource.ts";
import { FOREVER, PCATCH, tsleep } from "./sleep.ts";
import { deletePosixTimers } from "./time.ts";

/** Argument and environment strings with their pointers, bytes. */
export const ARG_MAX = 2 * 1024 * 1024;
/** Longest single string (Linux MAX_ARG_STRLEN). */
const ARG_STRLEN = 128 * 1024;
const MAXSTACK = 64 * 1024 * 1024;
/** Room between the stack's lower end and the highest mapping. */
const STACK_GAP = 1024 * 1024;
const PATH_MAX = 1024;
const HEAD_BYTES = 4096;
const NO_AUXV = new Uint8Array(0);

/** What execve was asked for: byte strings. */
export interface ExecArgs {
  path: string;
  argv: string[];
  envp: string[];
  /** Where a relative path starts, and how it is looked up (NLC_FOLLOW, NLC_EMPTY); the working directory, following links. */
  dirfd?: number;
  lookup?: number;
}

/** Everything an ABI needs to lay out the stack of a new image and set its registers. */
export interface ExecImage {
  argv: readonly string[];
  envp: readonly string[];
  /** The path that was executed, as given (AT_EXECFN), and its full path. */
  path: string;
  fullPath: string;
  vm: Vmspace;
  elf: ElfHeaders;
  program: LoadedElf;
  interp: LoadedElf | null;
  /** First instruction: the interpreter's if there is one. */
  entry: number;
  /** Highest stack address + 1, and the lowest one. */
  stackTop: number;
  stackBottom: number;
  /** What is readable is executable, also in later mappings. */
  readExec: boolean;
  /** Credentials have changed by set-id bits. */
  secure: boolean;
  /** Credentials of the new image. */
  cred: Proc["cred"];
  /** Filled in by the ABI: the user addresses of the strings. */
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
  /** Filled in by the ABI: the auxiliary vector as it lies on the stack. */
  auxv: Uint8Array;
}

interface BuiltImage extends ExecImage {
  abi: Abi;
  sp: number;
}

/** Copies execve's arguments in. Throws EFAULT, E2BIG, ENAMETOOLONG. */
export function copyinExecArgs(lp: Lwp, path: number, argv: number, envp: number): ExecArgs {
  const vm = lp.proc.vmspace!;
  const name = copyinstr(vm, path, PATH_MAX);
  const budget = { left: ARG_MAX };
  const args = copyinVector(vm, argv, budget);
  const env = envp === 0 ? [] : copyinVector(vm, envp, budget);
  return { path: name, argv: args.length === 0 ? [name] : args, envp: env };
}

function copyinVector(vm: Vmspace, uaddr: number, budget: { left: number }): string[] {
  const out: string[] = [];
  if (uaddr === 0) return out;
  for (let at = uaddr >>> 0; ; at += 4) {
    const ptr = fuword(vm, at);
    if (ptr === 0) return out;
    const s = copyString(vm, ptr, Math.min(budget.left, ARG_STRLEN));
    budget.left -= s.length + 5;
    if (budget.left < 0) throw E2BIG;
    out.push(s);
  }
}

function copyString(vm: Vmspace, ptr: number, max: number): string {
  if (max <= 0) throw E2BIG;
  try {
    return copyinstr(vm, ptr, max);
  } catch (e) {
    if (e instanceof Errno && e !== EFAULT) throw E2BIG;
    throw e;
  }
}

/** A file to be executed, looked up and checked; holds the name. */
interface ExecFile {
  nch: Nchandle;
  vp: Vnode;
  attr: Vattr;
  head: Uint8Array;
}

function openExec(p: Proc, path: string): ExecFile {
  const fd = p.fd!;
  return holdExec(p, nlookup(new Nlookup(p.cred, fd.rdir, fd.cdir), path, NLC_FOLLOW));
}

/** As openExec, from the directory that execve's arguments name. Throws ELOOP for a link that is not to be followed. */
function openExecAt(lp: Lwp, { path, dirfd = AT_FDCWD, lookup = NLC_FOLLOW }: ExecArgs): ExecFile {
  const nch = lookupPath(lp, dirfd, path, lookup);
  if (nch.vp!.type !== VLNK) return holdExec(lp.proc, nch);
  cacheDrop(nch);
  throw ELOOP;
}

/** Takes over the hold of `nch`. */
function holdExec(p: Proc, nch: Nchandle): ExecFile {
  try {
    return checkExec(p, nch);
  } catch (e) {
    cacheDrop(nch);
    throw e;
  }
}

function checkExec(p: Proc, nch: Nchandle): ExecFile {
  const vp = nch.vp!;
  const attr = vp.getattr();
  if ((vp.mount.flags & MNT_NOEXEC) !== 0 || attr.type !== VREG || (attr.mode & 0o111) === 0) throw EACCES;
  if (!vp.access(VEXEC, p.cred)) throw EACCES;
  if (attr.size === 0) throw ENOEXEC;
  if (vp.writeCount > 0) throw ETXTBSY;
  return { nch, vp, attr, head: readImage(vp, 0, HEAD_BYTES) };
}

function readImage(vp: Vnode, offset: number, len: number): Uint8Array {
  const buf = new Uint8Array(len);
  return buf.subarray(0, vnodeRead(vp, offset, buf, 0, len));
}

/**
 * Builds and installs a new image. Plain: WOULDBLOCK when other threads must end first (execveSlow waits for
 * them). Throws an Errno; why an image was refused goes to the log.
 */
export function execve(lp: Lwp, args: ExecArgs): number {
  const p = lp.proc;
  if (p.lwps.size > 1) return WOULDBLOCK;
  try {
    install(lp, args);
  } catch (e) {
    if (!(e instanceof ImageRefused)) throw e;
    p.k.log(`pid ${p.pid} (${p.comm}): ${args.path}: ${e.why}`);
    p.k.execRefusal = `${args.path}: ${e.why}`;
    throw e.errno;
  }
  return 0;
}

/** Ends the other threads, then executes. A failure after that leaves a process with one thread. */
export function* execveSlow(lp: Lwp, args: ExecArgs): KernelFrame {
  const p = lp.proc;
  if (p.singleLwp !== null && p.singleLwp !== lp) throw EINTR;
  p.singleLwp = lp;
  try {
    killOtherLwps(lp);
    while (p.lwps.size > 1) yield* tsleep(lp, p.lwpExitChan, PCATCH, FOREVER);
  } finally {
    p.singleLwp = null;
  }
  return execve(lp, args);
}

function install(lp: Lwp, args: ExecArgs): void {
  const p = lp.proc;
  let file = openExecAt(lp, args);
  let argv = args.argv;
  let scriptPath = nameOf(args);
  try {
    const maxDepth = p.abi.scriptDepth;
    for (let depth = 0; ; depth++) {
      const words = parseScript(file.head, p.abi.scriptOneArgument);
      if (words === null) break;
      if (depth >= maxDepth) throw maxDepth > 1 ? ELOOP : ENOEXEC;
      argv = [...words, scriptPath, ...argv.slice(1)];
      scriptPath = words[0]!;
      const next = openScriptInterp(p, scriptPath, args.path);
      cacheDrop(file.nch);
      file = next;
    }
    const image = buildImage(p, file, { path: nameOf(args), argv, envp: args.envp });
    commit(lp, file, image);
  } finally {
    cacheDrop(file.nch);
  }
}

/** The name under which an interpreter finds the file: with a descriptor, below /dev/fd. */
function nameOf({ path, dirfd = AT_FDCWD }: ExecArgs): string {
  if (dirfd === AT_FDCWD || path.startsWith("/")) return path;
  return path === "" ? `/dev/fd/${dirfd}` : `/dev/fd/${dirfd}/${path}`;
}

function openScriptInterp(p: Proc, path: string, script: string): ExecFile {
  try {
    return openExec(p, path);
  } catch (e) {
    if (e === ENOENT) throw new ImageRefused(ENOENT, `the script's interpreter ${path} does not exist (needed by ${script})`);
    throw e;
  }
}

function fallbackBrand(k: Kernel): number {
  const text = k.env.get("kern.fallback_elf_brand") ?? k.env.get("kern.elf32.fallback_brand");
  return text === undefined ? 3 : Number(text);
}

function chooseAbi(k: Kernel, elf: ElfHeaders): Abi {
  const brand = elfBrand(elf, fallbackBrand(k));
  const abi = k.abis.find((a) => a.name === brand);
  if (abi === undefined) throw new ImageRefused(ENOEXEC, `ELF binary type "${elf.osabi}" not known`);
  return abi;
}

/** Checks the file, makes an address space and puts program, interpreter and stack into it (X1). */
function buildImage(p: Proc, file: ExecFile, args: ExecArgs): BuiltImage {
  const k = p.k;
  const { vp, attr } = file;
  if (!isElf(file.head)) throw new ImageRefused(ENOEXEC, "neither an ELF program nor a script with #!");
  const elf = parseElf(file.head, attr.size, (off, len) => readImage(vp, off, len));
  const abi = chooseAbi(k, elf);
  const interpFile = elf.interp === "" ? null : openInterp(p, abi, elf.interp);
  let vm: Vmspace | null = null;
  try {
    const interpElf =
      interpFile === null
        ? null
        : parseInterp(elf.interp, interpFile.head, interpFile.attr.size, (off, len) => readImage(interpFile.vp, off, len));
    vm = vmspaceAlloc(k.vm);
    const stackTop = VM_MAX_USER_ADDRESS;
    const stackSize = Math.min(MAXSTACK, Math.max(128 * 1024, p.limits.cur[RLIMIT_STACK]!)) & ~0xfff;
    const stackBottom = stackTop - stackSize;
    vm.mmapTop = stackBottom - STACK_GAP;
    // Images without a word about the stack, and all of DragonFly's, come from before there was such a permission.
    const readExec = abi.readImpliesExec || elf.stackExec;
    const bias = elf.type === ET_DYN ? placeElf(vm, elf, abi.imageBase(elf)) : 0;
    if (readExec) vm.heapProt |= PROT_EXEC;
    const program = loadElf(vm, elf, vnodeObject(k.vm, vp), bias, readExec);
    vm.brkBase = program.brk;
    vm.brkEnd = program.brk;
    const interp = interpElf === null ? null : loadInterp(vm, abi, interpElf, vnodeObject(k.vm, interpFile!.vp), program, readExec);
    mmap(vm, {
      addr: stackBottom, len: stackSize, prot: PROT_READ | PROT_WRITE | (readExec ? PROT_EXEC : 0),
      flags: MAP_PRIVATE | MAP_ANON | MAP_FIXED, object: null, offset: 0, tag: "stack",
    });
    const cred = newCred(p, vp, attr);
    const image = {
      abi, argv: args.argv, envp: args.envp, path: args.path, fullPath: cacheFullpath(file.nch, p.fd!.rdir) ?? args.path,
      vm, elf, program, interp, entry: interp === null ? program.entry : interp.entry,
      stackTop, stackBottom, secure: cred !== p.cred, cred, readExec, argStart: 0, argEnd: 0, envStart: 0, envEnd: 0,
      auxv: NO_AUXV, sp: 0,
    };
    image.sp = abi.execStack(p, image);
    return image;
  } catch (e) {
    if (vm !== null) vmspaceFree(vm);
    throw e;
  } finally {
    if (interpFile !== null) cacheDrop(interpFile.nch);
  }
}

function openInterp(p: Proc, abi: Abi, path: string): ExecFile {
  for (const candidate of abi.prefix === "" ? [path] : [abi.prefix + path, path]) {
    try {
      return openExec(p, candidate);
    } catch (e) {
      if (e !== ENOENT) throw e;
    }
  }
  throw new ImageRefused(ENOENT, `the program's interpreter ${path} does not exist: the shared libraries for it are missing`);
}

function parseInterp(path: string, head: Uint8Array, size: number, read: (off: number, len: number) => Uint8Array): ElfHeaders {
  try {
    return parseElf(head, size, read);
  } catch (e) {
    if (e instanceof ImageRefused) throw new ImageRefused(ELIBBAD, `interpreter ${path}: ${e.why}`);
    throw e;
  }
}

function loadInterp(
  vm: Vmspace, abi: Abi, elf: ElfHeaders, object: VmObject, program: LoadedElf, readExec: boolean,
): LoadedElf {
  if (elf.type !== ET_DYN) return loadElf(vm, elf, object, 0, readExec);
  return loadElf(vm, elf, object, placeElf(vm, elf, abi.interpBase(program)), readExec);
}

/** Credentials after set-id bits (X3). */
function newCred(p: Proc, vp: Vnode, attr: Vattr): Proc["cred"] {
  const suid = (attr.mode & 0o4000) !== 0 && attr.uid !== p.cred.uid;
  const sgid = (attr.mode & 0o2010) === 0o2010 && attr.gid !== p.cred.gid;
  if ((!suid && !sgid) || (vp.mount.flags & MNT_NOSUID) !== 0 || p.noNewPrivs) return p.cred;
  const uid = suid ? attr.uid : p.cred.uid;
  const gid = sgid ? attr.gid : p.cred.gid;
  return { ...p.cred, uid, svuid: uid, gid, svgid: gid };
}

/** The point of no return: everything that can fail has been done. */
function commit(lp: Lwp, file: ExecFile, image: BuiltImage): void {
  const p = lp.proc;
  const k = lp.k;
  try {
    p.unshareFiles();
    p.fd!.closeExec(lp);
  } catch (e) {
    // Closing has to wait for the disk: the whole exec runs again, with fewer descriptors to close.
    vmspaceFree(image.vm);
    throw e;
  }
  futexThreadExit(lp);
  const old = p.vmspace;
  p.vmspace = image.vm;
  if (old !== null) vmspaceFree(old);
  releaseVforkParent(p);

  if (p.textvp !== null) {
    p.textvp.textCount--;
    vrele(p.textvp);
  }
  p.textvp = vref(file.vp);
  file.vp.textCount++;

  if (p.sigacts.refs > 1) {
    p.sigacts.refs--;
    p.sigacts = p.sigacts.copy();
  }
  p.sigacts.execReset();
  lp.sigstkSp = 0;
  lp.sigstkSize = 0;
  lp.sigstkFlags = SS_DISABLE;
  deletePosixTimers(p);

  p.cred = image.cred;
  if (image.secure) {
    p.flags |= P_SUGID;
    p.varsyms.clear();
    p.dumpable = 0;
    p.pdeathsig = 0;
  } else {
    p.flags &= ~P_SUGID;
    p.dumpable = 1;
    p.cred = { ...p.cred, svuid: p.cred.uid, svgid: p.cred.gid };
  }
  p.cred = { ...p.cred, caps: p.cred.caps.executed(p.cred) };
  p.flags |= P_EXEC;
  p.profile = null;
  p.abi = image.abi;
  p.personality = image.readExec ? p.personality | READ_IMPLIES_EXEC : p.personality & ~READ_IMPLIES_EXEC;
  p.comm = (image.path.match(/[^/]*$/)?.[0] ?? "").slice(0, 15);
  lp.comm = p.comm;
  p.args = image.argv;
  p.execPath = image.fullPath;
  p.argStart = image.argStart;
  p.argEnd = image.argEnd;
  p.envStart = image.envStart;
  p.envEnd = image.envEnd;
  p.auxv = image.auxv;
  p.exitSignal = p.exitSignal === 0 ? 0 : 20;
  const formerTid = lp.tid;
  if (lp.tid !== p.pid) {
    k.lwps.delete(lp.tid);
    p.lwps.delete(lp.tid);
    lp.tid = p.pid;
    k.lwps.set(lp.tid, lp);
    p.lwps.set(lp.tid, lp);
  }
  lp.vf.fill(0);
  k.machine.fpReset(lp);
  lp.tf.fill(0);
  image.abi.setregs(lp, image, image.sp);
  if (lp.trace !== null) traceExec(lp, formerTid);
  k.stats.execs++;
  knote(p, NOTE_EXEC);
}
