// SPDX-License-Identifier: BSD-3-Clause
/**
 * The DragonFly/i386 ABI: how calls and results travel (syscalls.md §1; DragonFly 2.0
 * sys/platform/vkernel/i386/trap.c syscall2).
 *
 * Invariants
 *   A1  eax is the result and carry the error flag; every other register survives, edx included, except where a row
 *       returns two words (TWO_WORDS).
 *   A2  Arguments lie above the return address at esp; calls 0 and 198 put the real number there first.
 *   A3  A number that is not a call ends in SIGSYS and EINVAL.
 * @module
 */
import { EINTR, EINVAL, ENOTCONN, EOPNOTSUPP, EPERM, type Errno } from "../../sys/errno.ts";
import { PSL_C, TF_EAX, TF_EDX, TF_EFLAGS, TF_EIP, TF_ESP } from "../../sys/frame.ts";
import { SIGILL, SIGSYS, SIGCKPTEXIT } from "../../sys/signal.ts";
import { copyinWords, fuword } from "../../vm/copyio.ts";
import type { Abi } from "../../kern/abi.ts";
import type { Lwp } from "../../kern/proc.ts";
import { lwpsignal } from "../../kern/sig.ts";
import { SyscallMeter } from "../../kern/syscall.ts";
import { Sysent } from "../../kern/sysent.ts";
import { dflyExecStack, dflySetregs, MAXDSIZ } from "./exec-stack.ts";
import { dflySendsig } from "./sigframe.ts";
import { DRAGONFLY_SYSENT, SYSENT_SIZE, TWO_WORDS } from "./sysent.ts";

const SYS_SYSCALL = 0;
const SYS_QUAD_SYSCALL = 198;
/** Length of int $0x80. */
const INT80_BYTES = 2;
/** Where position-independent programs go. */
const PIE_BASE = 0x0100_1000;
/** x87 control word of a new image: 53 bits of precision, all exceptions masked (__INITIAL_NPXCW__). */
const NPXCW = 0x127f;

const twoWords = new Uint8Array(SYSENT_SIZE);
for (const nr of TWO_WORDS) twoWords[nr] = 1;

function nosys(lp: Lwp): number {
  const nr = lp.tf[TF_EAX]!;
  lp.k.reportMissing(lp, `#${nr}`, nr);
  lwpsignal(lp, SIGSYS);
  throw EINVAL;
}
const NOSYS = new Sysent(0, "nosys", [], nosys, null, "none", "no such call");

/** Makes the ABI object of one kernel. */
export function dragonflyAbi(): Abi {
  const sysent = DRAGONFLY_SYSENT;
  const row = (nr: number): Sysent => (nr > 0 && nr < SYSENT_SIZE ? (sysent[nr] ?? NOSYS) : NOSYS);

  return {
    name: "dragonfly",
    sysent,
    meter: new SyscallMeter(),
    row,

    fetch(lp) {
      const vm = lp.proc.vmspace!;
      let nr = lp.tf[TF_EAX]!;
      let at = (lp.tf[TF_ESP]! >>> 0) + 4;
      if (nr === SYS_SYSCALL) {
        nr = fuword(vm, at);
        at += 4;
      } else if (nr === SYS_QUAD_SYSCALL) {
        nr = fuword(vm, at);
        at += 8;
      }
      const ent = row(nr);
      if (ent.nwords > 0) copyinWords(vm, at, lp.args, ent.nwords);
      return ent;
    },

    setReturn(lp, value) {
      const tf = lp.tf;
      tf[TF_EAX] = value;
      if (twoWords[lp.sysnr] === 1) tf[TF_EDX] = lp.rv1;
      tf[TF_EFLAGS]! &= ~PSL_C;
    },
    errno: (e) => e.native,
    setError(lp, errno: Errno) {
      lp.tf[TF_EAX] = errno.native;
      lp.tf[TF_EFLAGS]! |= PSL_C;
    },
    restart(lp) {
      lp.tf[TF_EIP]! -= INT80_BYTES;
    },
    callNumber(lp) {
      return lp.tf[TF_EAX]!;
    },
    setInterrupted() {},
    unrestart(lp) {
      lp.tf[TF_EIP]! += INT80_BYTES;
      this.setError(lp, EINTR);
    },
    setForkReturn(child) {
      child.tf[TF_EAX] = 0;
      child.tf[TF_EDX] = 1;
      child.tf[TF_EFLAGS]! &= ~PSL_C;
    },

    signo(sig) {
      return sig <= SIGCKPTEXIT ? sig : 0;
    },
    nativeSigno(n) {
      return n >= 1 && n <= SIGCKPTEXIT ? n : 0;
    },
    sendsig: dflySendsig,
    coreNotes: null,
    coreSignals: [],
    killSignals: [],
    sigframeFault: SIGILL,
    unconnectedSend: ENOTCONN,
    timedSocketsInterrupt: false,
    files: {
      openSocket: EOPNOTSUPP,
      unlinkDirectory: EPERM,
      rmdirDot: EINVAL,
      createRefusesDirectories: false,
      openTakesTerminal: false,
      groupOfDirectory: true,
      stickyIsForRoot: true,
      rootDropsSetId: false,
      chrootEnters: true,
      terminal: { speed: 9600, echoesEof: true },
    },
    readImpliesExec: true,
    npxControl: NPXCW,
    imageBase: (elf) => PIE_BASE + elf.loads[0]!.vaddr,
    // The linker goes one maximal data segment above the program's data.
    interpBase: (program) => program.dataStart + MAXDSIZ,

    prefix: "",
    scriptDepth: 1,
    scriptOneArgument: false,
    execStack: dflyExecStack,
    setregs: dflySetregs,
  };
}
