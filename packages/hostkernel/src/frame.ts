// SPDX-License-Identifier: BSD-3-Clause
/**
 * What crosses the border between a virtual kernel and its host: trapframes, TLS descriptors, trap numbers,
 * protections, mapping flags and host errors. Pure constants and layouts.
 *
 * A trapframe is an Int32Array of 20 words, a vextframe one of 6 (three 8-byte descriptors, low word first).
 * They belong to the virtual kernel, one pair for each thread; VMSPACE_CTL_RUN loads and stores them.
 *
 * Source: DragonFly 2.0 sys/cpu/i386/include/{frame,vframe,trap,pmap,segments}.h, sys/sys/{vkernel,mman}.h.
 * @module
 */

/* Word indices of struct trapframe. */
export const TF_GS = 0;
export const TF_FS = 1;
export const TF_ES = 2;
export const TF_DS = 3;
export const TF_EDI = 4;
export const TF_ESI = 5;
export const TF_EBP = 6;
export const TF_ISP = 7;
export const TF_EBX = 8;
export const TF_EDX = 9;
export const TF_ECX = 10;
export const TF_EAX = 11;
export const TF_XFLAGS = 12;
export const TF_TRAPNO = 13;
export const TF_ERR = 14;
export const TF_EIP = 15;
export const TF_CS = 16;
export const TF_EFLAGS = 17;
export const TF_ESP = 18;
export const TF_SS = 19;
export const TRAPFRAME_WORDS = 20;
/** Words of struct vextframe: vx_tls[3]. */
export const VEXTFRAME_WORDS = 6;

/* Trap numbers: machine-independent BSD numbers, not IA-32 vectors. 0 means an interrupt of the virtual kernel. */
export const T_PRIVINFLT = 1;
export const T_BPTFLT = 3;
export const T_ARITHTRAP = 6;
export const T_ASTFLT = 7;
export const T_PROTFLT = 9;
export const T_TRCTRAP = 10;
export const T_PAGEFLT = 12;
export const T_ALIGNFLT = 14;
export const T_DIVIDE = 18;
export const T_NMI = 19;
export const T_OFLOW = 20;
export const T_BOUND = 21;
export const T_DNA = 22;
export const T_DOUBLEFLT = 23;
export const T_FPOPFLT = 24;
export const T_TSSFLT = 25;
export const T_SEGNPFLT = 26;
export const T_STKFLT = 27;
export const T_MCHK = 28;
export const T_XMMFLT = 29;
export const T_RESERVED = 30;
export const T_SYSCALL80 = 0x80;

/* tf_xflags of a page fault: the hardware's error code. PGEX_FPFAULT goes the other way, into RUN. */
export const PGEX_P = 0x01;
export const PGEX_W = 0x02;
export const PGEX_U = 0x04;
/** An instruction fetch from a page without execute permission; only with vmspaceCheckExecute(). */
export const PGEX_I = 0x10;
/** On entry to RUN: the thread does not own the FP contents, so its first FP instruction must come back as T_DNA. */
export const PGEX_FPFAULT = 0x80;

/* User selectors: LDT slots 3 and 5; TLS slots are GDT 15, 16, 17. */
export const LUCODE_SEL = 0x1f;
export const LUDATA_SEL = 0x2f;
/** First of the three GDT slots that vx_tls fills. */
export const GTLS_START = 15;
export const NGTLS = 3;

/* eflags */
export const PSL_C = 0x1;
export const PSL_T = 0x100;
export const PSL_I = 0x200;
export const PSL_D = 0x400;
export const PSL_RF = 0x1_0000;
/** Flags that user code may change: CF PF AF ZF SF TF DF OF NT AC ID. */
export const PSL_USERCHANGE = 0x24_4dd5;
/** Bits that are set in every user frame: bit 1 and IF. */
export const PSL_USER = 0x202;

/* vmspace_ctl commands */
export const VMSPACE_CTL_RUN = 1;

/* mcontrol behaviours */
export const MADV_INVAL = 10;
export const MADV_SETMAP = 11;

/* mmap protections and flags */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const MAP_SHARED = 0x0001;
export const MAP_PRIVATE = 0x0002;
export const MAP_FIXED = 0x0010;
export const MAP_STACK = 0x0400;
export const MAP_ANON = 0x1000;
export const MAP_VPAGETABLE = 0x2000;

/* Virtual page table entries, layout of 1.8 … 3.4. */
export const VPTE_V = 0x001;
/** The walk ends here: a large mapping. */
export const VPTE_PS = 0x002;
export const VPTE_R = 0x004;
export const VPTE_W = 0x008;
export const VPTE_X = 0x010;
export const VPTE_A = 0x020;
export const VPTE_M = 0x040;
export const VPTE_U = 0x080;
export const VPTE_MANAGED = 0x100;
export const VPTE_G = 0x200;
export const VPTE_WIRED = 0x400;
export const VPTE_FRAME = 0xffff_f000;

/** End of the part of a VM space that can be mapped (VM_MAX_USER_ADDRESS). */
export const VM_MAX_USER_ADDRESS = 0xbfc0_0000;

/** Initial x87 control word and MXCSR of a fresh thread. */
export const INITIAL_NPXCW = 0x127f;
export const INITIAL_MXCSR = 0x1f80;
/** Bytes of an FP state image (FXSAVE format). */
export const FX_BYTES = 512;

/** A host call that failed: DragonFly's error number, its name, and what was wrong. Compare `errno`. */
export class HostErrno extends Error {
  readonly errno: number;
  readonly code: string;
  constructor(code: string, errno: number, what: string) {
    super(`${code}: ${what}`);
    this.name = "HostErrno";
    this.code = code;
    this.errno = errno;
  }
}
