// SPDX-License-Identifier: BSD-3-Clause
/**
 * The stack and registers of a new Linux image (Linux fs/binfmt_elf.c, create_elf_tables; System V ABI i386).
 * From high to low: a zero word, the executed path, environment strings, argument strings, the platform name, 16
 * random bytes, auxv, envp, argv, argc. esp is a multiple of 16.
 * @module
 */
import { E2BIG } from "../../sys/errno.ts";
import { PSL_USER, TF_CS, TF_DS, TF_EFLAGS, TF_EIP, TF_ES, TF_ESP, TF_SS, UCODE_SEL, UDATA_SEL } from "../../sys/frame.ts";
import { copyout } from "../../vm/copyio.ts";
import type { ExecImage } from "../../kern/exec.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { linuxFpInit } from "./sigframe.ts";

const AT_NULL = 0;
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_BASE = 7;
const AT_FLAGS = 8;
const AT_ENTRY = 9;
const AT_UID = 11;
const AT_EUID = 12;
const AT_GID = 13;
const AT_EGID = 14;
const AT_PLATFORM = 15;
const AT_HWCAP = 16;
const AT_CLKTCK = 17;
const AT_SECURE = 23;
const AT_RANDOM = 25;
const AT_HWCAP2 = 26;
const AT_EXECFN = 31;

/** Ticks of times(2) and AT_CLKTCK. */
export const LINUX_HZ = 100;

/** Lays the initial stack out in image.vm and returns the stack pointer. Throws E2BIG when it does not fit. */
export function linuxExecStack(p: Proc, image: ExecImage): number {
  const { argv, envp } = image;
  let bytes = 4 + image.path.length + 1;
  for (const s of argv) bytes += s.length + 1;
  for (const s of envp) bytes += s.length + 1;
  // A quarter of the stack may go to strings and vectors, as on Linux.
  if (bytes + 4 * (argv.length + envp.length) > (image.stackTop - image.stackBottom) / 4) throw E2BIG;

  const top = image.stackTop;
  const block = new Uint8Array(bytes);
  const base = top - bytes;
  let at = 0;
  const put = (s: string): number => {
    const uaddr = base + at;
    for (let i = 0; i < s.length; i++) block[at++] = s.charCodeAt(i);
    at++;
    return uaddr;
  };
  image.argStart = base;
  const argvAddrs = argv.map(put);
  image.argEnd = base + at;
  image.envStart = base + at;
  const envAddrs = envp.map(put);
  image.envEnd = base + at;
  const execfn = put(image.path);

  const platform = "i686\0";
  const random = new Uint8Array(16);
  p.k.machine.entropy(random);
  const randomAt = (base - platform.length - 16) & ~15;
  const platformAt = (randomAt >>> 0) + 16;

  const { program, interp, elf, cred } = image;
  const auxv: [number, number][] = [
    [AT_HWCAP, p.k.machine.processor.hwcap],
    [AT_PAGESZ, 4096],
    [AT_CLKTCK, LINUX_HZ],
    [AT_PHDR, elf.phdr === 0 ? 0 : elf.phdr + program.bias],
    [AT_PHENT, 32],
    [AT_PHNUM, elf.phnum],
    [AT_BASE, interp === null ? 0 : interp.start],
    [AT_FLAGS, 0],
    [AT_ENTRY, program.entry],
    [AT_UID, cred.ruid],
    [AT_EUID, cred.uid],
    [AT_GID, cred.rgid],
    [AT_EGID, cred.gid],
    [AT_SECURE, image.secure ? 1 : 0],
    [AT_RANDOM, randomAt >>> 0],
    [AT_HWCAP2, 0],
    [AT_EXECFN, execfn],
    [AT_PLATFORM, platformAt],
    [AT_NULL, 0],
  ];
  const words = 1 + argv.length + 1 + envp.length + 1 + auxv.length * 2;
  const sp = Math.floor(((randomAt >>> 0) - words * 4) / 16) * 16;

  const whole = new Uint8Array(top - sp);
  const dv = new DataView(whole.buffer);
  let w = 0;
  const word = (v: number): void => {
    dv.setUint32(w, v, true);
    w += 4;
  };
  word(argv.length);
  for (const a of argvAddrs) word(a);
  word(0);
  for (const a of envAddrs) word(a);
  word(0);
  const auxvAt = w;
  for (const [tag, value] of auxv) {
    word(tag);
    word(value);
  }
  image.auxv = whole.slice(auxvAt, w);
  whole.set(random, (randomAt >>> 0) - sp);
  for (let i = 0; i < platform.length; i++) whole[platformAt - sp + i] = platform.charCodeAt(i);
  whole.set(block, base - sp);
  copyout(image.vm, whole, 0, sp, whole.length);
  return sp;
}

export function linuxSetregs(lp: Lwp, image: ExecImage, sp: number): void {
  const tf = lp.tf;
  tf[TF_EIP] = image.entry;
  tf[TF_ESP] = sp;
  tf[TF_EFLAGS] = PSL_USER;
  tf[TF_CS] = UCODE_SEL;
  tf[TF_DS] = UDATA_SEL;
  tf[TF_ES] = UDATA_SEL;
  tf[TF_SS] = UDATA_SEL;
  linuxFpInit(lp);
}
