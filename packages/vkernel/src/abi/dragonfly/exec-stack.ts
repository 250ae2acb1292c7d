// SPDX-License-Identifier: BSD-3-Clause
/**
 * The stack and registers of a new DragonFly image (DragonFly 2.0 sys/kern/kern_exec.c exec_copyout_strings,
 * imgact_elf.c elf_freebsd_fixup, sys/platform/vkernel/i386/cpu_regs.c exec_setregs). From high to low: ps_strings,
 * the signal trampoline, a spare area, a random gap, environment and argument strings (arguments lower), room for 15
 * auxv pairs, envp, argv, argc at esp. Nothing is aligned beyond words.
 * @module
 */
import { E2BIG } from "../../sys/errno.ts";
import { PSL_USER, TF_CS, TF_DS, TF_EFLAGS, TF_EIP, TF_ES, TF_ESP, TF_SS, UCODE_SEL, UDATA_SEL } from "../../sys/frame.ts";
import { copyout } from "../../vm/copyio.ts";
import type { ExecImage } from "../../kern/exec.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { dflyFpInit, PS_STRINGS, TRAMPOLINE, TRAMPOLINE_ADDRESS } from "./sigframe.ts";

const AT_NULL = 0;
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_BASE = 7;
const AT_FLAGS = 8;
const AT_ENTRY = 9;
const AUXV_PAIRS = 15;

/** Unused bytes between the trampoline and the strings. */
const SPARE_USRSPACE = 256;
/** kern.stackgap_random */
const STACKGAP = 1024;
/** Strings of arguments and environment, bytes (the limit since 2.2). */
export const DFLY_ARG_MAX = 0x40000;

/** Where the dynamic linker would be put: a static program sees it as AT_BASE. */
export const MAXDSIZ = 0x2000_0000;

/** Lays the initial stack out in image.vm and returns the stack pointer. Throws E2BIG when it does not fit. */
export function dflyExecStack(p: Proc, image: ExecImage): number {
  const { argv, envp } = image;
  let stringBytes = 0;
  for (const s of argv) stringBytes += s.length + 1;
  for (const s of envp) stringBytes += s.length + 1;
  if (stringBytes > DFLY_ARG_MAX) throw E2BIG;
  const random = new Uint8Array(2);
  p.k.machine.entropy(random);
  const gap = ((random[0]! | (random[1]! << 8)) % STACKGAP) & ~3;

  const strings = TRAMPOLINE_ADDRESS - SPARE_USRSPACE - gap - ((stringBytes + 3) & ~3);
  const sp = strings - AUXV_PAIRS * 8 - 4 * (envp.length + 1) - 4 * (argv.length + 1) - 4;
  const bytes = new Uint8Array(image.stackTop - sp);
  const dv = new DataView(bytes.buffer);

  let at = strings;
  const put = (s: string): number => {
    const uaddr = at;
    for (let i = 0; i < s.length; i++) bytes[at - sp + i] = s.charCodeAt(i);
    at += s.length + 1;
    return uaddr;
  };
  image.argStart = at;
  const argvAddrs = argv.map(put);
  image.argEnd = image.envStart = at;
  const envAddrs = envp.map(put);
  image.envEnd = at;

  let w = 0;
  const word = (v: number): number => {
    dv.setUint32(w, v, true);
    w += 4;
    return sp + w - 4;
  };
  word(argv.length);
  const argvAt = sp + w;
  for (const a of argvAddrs) word(a);
  word(0);
  const envAt = sp + w;
  for (const a of envAddrs) word(a);
  word(0);
  const auxvAt = w;
  for (const [tag, value] of auxv(image)) {
    word(tag);
    word(value);
  }
  image.auxv = bytes.slice(auxvAt, w);
  bytes.set(TRAMPOLINE, TRAMPOLINE_ADDRESS - sp);
  [argvAt, argv.length, envAt, envp.length].forEach((v, i) => dv.setUint32(PS_STRINGS - sp + 4 * i, v, true));
  copyout(image.vm, bytes, 0, sp, bytes.length);
  return sp;
}

function auxv({ elf, program, interp }: ExecImage): [number, number][] {
  return [
    [AT_PHDR, elf.phdr === 0 ? 0 : elf.phdr + program.bias],
    [AT_PHENT, 32],
    [AT_PHNUM, elf.phnum],
    [AT_PAGESZ, 4096],
    [AT_FLAGS, 0],
    [AT_ENTRY, program.entry],
    [AT_BASE, interp === null ? program.dataStart + MAXDSIZ : interp.start],
    [AT_NULL, 0],
  ];
}

/** Registers at entry: all zero but these; edx = 0 means "no dynamic linker" to crt1, fs and gs are null selectors. */
export function dflySetregs(lp: Lwp, image: ExecImage, sp: number): void {
  const tf = lp.tf;
  tf[TF_EIP] = image.entry;
  tf[TF_ESP] = sp;
  tf[TF_EFLAGS] = PSL_USER;
  tf[TF_CS] = UCODE_SEL;
  tf[TF_DS] = UDATA_SEL;
  tf[TF_ES] = UDATA_SEL;
  tf[TF_SS] = UDATA_SEL;
  dflyFpInit(lp);
}
