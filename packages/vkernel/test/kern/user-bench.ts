// SPDX-License-Identifier: BSD-3-Clause
/**
 * A kernel without a processor: threads are JavaScript generators that yield system calls, with real registers,
 * real address spaces and the real dispatcher. Signal handlers are generators too, entered through the frame that
 * the kernel builds and left through sigreturn. Time stands still unless a sleep moves it.
 */
import { dragonflyAbi } from "../../src/abi/dragonfly/abi.ts";
import { TRAMPOLINE_ADDRESS } from "../../src/abi/dragonfly/sigframe.ts";
import { DRAGONFLY_SYSENT } from "../../src/abi/dragonfly/sysent.ts";
import { LinuxAbi } from "../../src/abi/linux/abi.ts";
import { LINUX_SYSCALL_NAMES } from "../../src/abi/linux/names.ts";
import { addStandardDevices } from "../../src/dev/standard.ts";
import { startLwp } from "../../src/kern/fork.ts";
import { makeFirstProcess } from "../../src/kern/init-main.ts";
import { Kernel, type Machine } from "../../src/kern/kernel.ts";
import type { InetOptions } from "../../src/net/inet/domain.ts";
import type { Lwp, Proc } from "../../src/kern/proc.ts";
import { userret } from "../../src/kern/sig-deliver.ts";
import { syscall } from "../../src/kern/syscall.ts";
import { TF_CS, TF_EAX, TF_EBP, TF_EBX, TF_ECX, TF_EDI, TF_EDX, TF_EFLAGS, TF_EIP, TF_ESI, TF_ESP, PSL_C, UCODE_SEL } from "../../src/sys/frame.ts";
import { MAP_ANON, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../src/sys/mman.ts";
import { ROOT_CRED, type Ucred } from "../../src/sys/ucred.ts";
import { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { copyin, copyinstr, copyout, fuword, subyte, suword } from "../../src/vm/copyio.ts";
import { mmap } from "../../src/vm/mmap.ts";
import { VmSystem } from "../../src/vm/system.ts";
import { vmspaceAlloc } from "../../src/vm/vmspace.ts";
import { Misses } from "./misses.ts";

/** A thread's program: yields calls, receives eax. */
export type Program = (u: User) => Generator<Call, void, number>;
export interface Call {
  nr: number;
  args: readonly number[];
}

const NUMBERS = new Map(LINUX_SYSCALL_NAMES.map((name, nr) => [name, nr]));
const DRAGONFLY_NUMBERS = new Map(DRAGONFLY_SYSENT.flatMap((row) => (row === undefined ? [] : [[row.name, row.nr] as const])));
/** A system call of the DragonFly ABI by name. */
export function dfly(name: string, ...args: number[]): Call {
  const nr = DRAGONFLY_NUMBERS.get(name);
  if (nr === undefined) throw new Error(`no DragonFly system call ${name}`);
  return { nr, args };
}
/** A system call by name. */
export function sys(name: string, ...args: number[]): Call {
  const nr = NUMBERS.get(name);
  if (nr === undefined) throw new Error(`no system call ${name}`);
  return { nr, args };
}

/** Not a system call: the program computes for `ns` of the bench's time, and may be interrupted. Its result is eax as it was. */
export function compute(ns: number): Call {
  return { nr: COMPUTE, args: [ns] };
}
/** No number that fits into a register. */
const COMPUTE = 2 ** 40;
/** Time between two looks at the timer while a program computes. */
const STEP_NS = 100_000;

const TEXT = 0x0804_8000;
const HANDLERS = 0x0805_0000;
const RESTORER = 0x0806_0000;
/** Memory that programs may use freely, and their stacks. */
export const DATA = 0x1000_0000;
const DATA_SIZE = 0x10_0000;
const STACK_TOP = 0xbf00_0000;
const STACK_SIZE = 0x4_0000;

/** What a program does to its own memory. */
export class User {
  readonly lp: Lwp;
  readonly bench: UserBench;
  constructor(bench: UserBench, lp: Lwp) {
    this.bench = bench;
    this.lp = lp;
  }
  get proc(): Proc {
    return this.lp.proc;
  }
  word(at: number): number {
    return fuword(this.proc.vmspace!, at);
  }
  setWord(at: number, v: number): void {
    suword(this.proc.vmspace!, at, v);
  }
  poke(at: number, byte: number): void {
    subyte(this.proc.vmspace!, at, byte);
  }
  words(at: number, ...vs: number[]): void {
    vs.forEach((v, i) => this.setWord(at + 4 * i, v));
  }
  text(at: number, s: string): number {
    copyout(this.proc.vmspace!, Uint8Array.from(s + "\0", (c) => c.charCodeAt(0)), 0, at, s.length + 1);
    return at;
  }
  read(at: number, len: number): string {
    const buf = new Uint8Array(len);
    copyin(this.proc.vmspace!, at, buf, 0, len);
    return String.fromCharCode(...buf);
  }
  str(at: number): string {
    return copyinstr(this.proc.vmspace!, at, 4096);
  }
  /** Registers a handler; the result is its address for sigaction. */
  handler(fn: Program): number {
    this.bench.handlers.push(fn);
    return HANDLERS + 16 * (this.bench.handlers.length - 1);
  }
  /** The program of the next child or thread that this program makes. */
  child(fn: Program): void {
    this.bench.nextChild = fn;
  }
  /** DragonFly's sigaction. */
  dflySigaction(sig: number, handler: number, flags = 0): Call {
    const at = DATA + DATA_SIZE - 64;
    this.words(at, handler, flags, 0, 0, 0, 0);
    return dfly("sigaction", sig, at, 0);
  }
  /** rt_sigaction with Linux flags. */
  sigaction(sig: number, handler: number, flags = 0): Call {
    const at = DATA + DATA_SIZE - 64;
    this.words(at, handler, flags | 0x0400_0000, RESTORER, 0, 0);
    return sys("rt_sigaction", sig, at, 0, 8);
  }
}

interface Activity {
  gen: Generator<Call, void, number>;
  pending: Call | null;
  /** What is left to compute, ns. */
  busyNs: number;
  /** Registers at its last call, to see whether it is to be restarted. */
  isHandler: boolean;
  rt: boolean;
  /** DragonFly's frame, for sigreturn. */
  frame: number;
}

export class UserBench implements Machine {
  readonly processor = {
    vendor: "GenuineIntel", family: 6, model: 5, stepping: 2, name: "unknown", flags: ["fpu", "cx8"], hwcap: 0x101,
  };
  readonly k: Kernel;
  readonly log: string[] = [];
  readonly handlers: Program[] = [];
  nextChild: Program | null = null;
  /** Failures of programs: assertions in them surface here, since the kernel must not swallow them. */
  readonly failures: unknown[] = [];
  /** What the host does while nothing is runnable; returns whether it did anything. */
  hostWork: () => boolean = () => false;
  readonly misses: Misses | null;
  private now = 1_000_000;
  private readonly programs = new Map<Lwp, Activity[]>();

  constructor(ramBytes = 16 * 1024 * 1024, inet?: InetOptions) {
    const buffer = new ArrayBuffer(ramBytes);
    const image = {
      npages: ramBytes / 4096,
      u8: new Uint8Array(buffer),
      u32: new Uint32Array(buffer),
      i32: new Int32Array(buffer),
      dv: new DataView(buffer),
      written: (): void => {},
    };
    let spaces = 0;
    const vm = new VmSystem(image, {
      create: () => ++spaces, destroy: () => {}, inval: () => {}, withdrawWrite: () => {},
    });
    this.k = new Kernel({ machine: this, vm, log: (line) => this.log.push(line), ...(inet === undefined ? {} : { inet }) });
    this.misses = Misses.forBench(this.k);
    this.k.abis.push(new LinuxAbi(), dragonflyAbi());
    addStandardDevices(this.k.devsw, { entropy: (b) => this.entropy(b), now: () => this.now, messages: this.k.dmesg });
    this.k.mounts.mountRoot(new TmpfsMount("root", 0, { maxBytes: 4 << 20, now: () => this.k.microtime() }));
  }

  /** Makes the first process (pid 2, below the kernel's init) with `program`; returns its Proc. */
  start(program: Program, cred: Ucred = ROOT_CRED, abi: "linux" | "dragonfly" = "linux"): Proc {
    const lp = makeFirstProcess(this.k, { cred, abi: this.k.abis.find((a) => a.name === abi)!, asInit: false });
    const vm = vmspaceAlloc(this.k.vm);
    lp.proc.vmspace = vm;
    const map = (addr: number, len: number): void => {
      mmap(vm, { addr, len, prot: PROT_READ | PROT_WRITE, flags: MAP_PRIVATE | MAP_ANON | MAP_FIXED, object: null, offset: 0 });
    };
    map(DATA, DATA_SIZE);
    map(STACK_TOP - STACK_SIZE, STACK_SIZE);
    vm.mmapTop = STACK_TOP - STACK_SIZE - 0x10_0000;
    vm.brkBase = vm.brkEnd = DATA + DATA_SIZE;
    lp.tf[TF_ESP] = STACK_TOP - 64;
    lp.tf[TF_EIP] = TEXT;
    lp.tf[TF_CS] = UCODE_SEL;
    this.programs.set(lp, [this.activity(lp, program, false, false)]);
    startLwp(lp);
    return lp.proc;
  }

  private activity(lp: Lwp, program: Program, isHandler: boolean, rt: boolean): Activity {
    return { gen: program(new User(this, lp)), pending: null, busyNs: 0, isHandler, rt, frame: 0 };
  }

  /** Runs until the first process has ended; throws what its programs threw. Returns its wait status. */
  async run(p: Proc): Promise<number> {
    let done = false;
    p.onExit = () => (done = true);
    await this.k.sched.run(() => done || this.failures.length > 0);
    if (this.failures.length > 0) throw this.failures[0];
    return p.xstat;
  }

  nanouptime(): number {
    return (this.now += 100);
  }
  microtime(): number {
    return 1_200_000_000_000_000 + this.now / 1000;
  }
  entropy(buf: Uint8Array): void {
    for (let i = 0; i < buf.length; i++) buf[i] = (i * 37 + 11) & 255;
  }
  private timerNs = Infinity;
  setTimer(deadlineNs: number): void {
    this.timerNs = deadlineNs;
  }
  idle(deadlineNs: number): Promise<void> {
    if (this.misses?.work() === true || this.hostWork()) return Promise.resolve();
    if (deadlineNs === Infinity) {
      this.failures.push(new Error(`deadlock: ${[...this.k.lwps.values()].map((l) => `${l.tid} ${l.wmesg}`).join(", ")}`));
    } else this.now = Math.max(this.now, deadlineNs);
    return Promise.resolve();
  }
  breathe(): Promise<void> {
    return Promise.resolve();
  }
  fpFork(): void {}
  fpReset(): void {}
  fpUsed(): boolean {
    return false;
  }
  fpSave(): void {}
  fpRestore(): void {}
  lwpExit(lp: Lwp): void {
    this.programs.delete(lp);
  }

  userland(lp: Lwp): void {
    for (;;) {
      if (lp.ast !== 0 && !userret(lp)) return;
      const stack = this.programs.get(lp);
      if (stack === undefined) throw new Error("a child has no program");
      const { tf } = lp;
      const eip = tf[TF_EIP]! >>> 0;
      if (eip >= HANDLERS && eip < RESTORER) {
        const program = this.handlers[(eip - HANDLERS) / 16]!;
        tf[TF_EIP] = TEXT;
        stack.push(this.activity(lp, program, true, tf[TF_EDX] !== 0));
      }
      if (eip === TRAMPOLINE_ADDRESS) {
        const frame = tf[TF_ESP]! >>> 0;
        const program = this.handlers[(fuword(lp.proc.vmspace!, frame + 16) - HANDLERS) / 16]!;
        tf[TF_EIP] = TEXT;
        stack.push({ ...this.activity(lp, program, true, false), frame });
      }
      const top = stack[stack.length - 1]!;
      if (top.busyNs > 0) {
        const ns = Math.min(STEP_NS, top.busyNs);
        top.busyNs -= ns;
        this.now += ns;
        if (this.now >= this.timerNs) this.k.sched.hardclock(lp);
        continue;
      }
      if (!this.step(lp, stack, top)) return;
    }
  }

  /** One system call of the program on top of the stack. Returns what syscall() does. */
  private step(lp: Lwp, stack: Activity[], top: Activity): boolean {
    const { tf } = lp;
    let call: Call;
    if (this.misses !== null) this.misses.active = false;
    if (top.pending !== null && tf[TF_EIP] === TEXT) {
      // eip points at the instruction again: the call is restarted with the registers as they are.
      if (tf[TF_EAX] !== top.pending.nr) throw new Error(`restart with eax ${tf[TF_EAX]}`);
      call = top.pending;
    } else {
      let r: IteratorResult<Call, void>;
      try {
        const failed = lp.proc.abi.name === "dragonfly" && (tf[TF_EFLAGS]! & PSL_C) !== 0;
        r = top.gen.next(failed ? -tf[TF_EAX]! : tf[TF_EAX]!);
      } catch (e) {
        this.failures.push(e);
        lp.state = 5;
        return false;
      }
      if (r.done === true) {
        if (top.isHandler && lp.proc.abi.name === "dragonfly") {
          stack.pop();
          // Nothing is away: were it made again, it would be taken for the call that the signal interrupted.
          this.load(lp, dfly("sigreturn", top.frame + 20));
          return syscall(lp);
        }
        if (top.isHandler) {
          stack.pop();
          // `ret` has taken the return address; the classic trampoline pops the signal number too.
          tf[TF_ESP]! += top.rt ? 4 : 8;
          return this.call(lp, sys(top.rt ? "rt_sigreturn" : "sigreturn"));
        }
        call = lp.proc.abi.name === "dragonfly" ? dfly("exit", 0) : sys("exit_group", 0);
      } else call = r.value;
      if (call.nr === COMPUTE) {
        top.busyNs = call.args[0]!;
        top.pending = null;
        return true;
      }
      top.pending = call;
    }
    const more = this.call(lp, call);
    this.adopt();
    return more;
  }

  /** The call that each thread has made last, on a machine that misses everything. */
  private readonly begun = new WeakMap<Lwp, Call>();

  /** Makes a call. Returns what syscall() does. */
  private call(lp: Lwp, call: Call): boolean {
    this.load(lp, call);
    // A call that is made again, since its arguments on the stack had to be waited for, finds them there now.
    if (this.misses !== null && this.begun.get(lp) !== call) {
      this.misses.begin(lp);
      this.begun.set(lp, call);
    }
    return syscall(lp);
  }

  /** Gives the program that stands ready to the thread that the last call has made. */
  private adopt(): void {
    if (this.nextChild === null) return;
    for (const lp of this.k.lwps.values()) {
      if (this.programs.has(lp)) continue;
      this.programs.set(lp, [this.activity(lp, this.nextChild, false, false)]);
      this.nextChild = null;
      return;
    }
  }

  private load(lp: Lwp, call: Call): void {
    const { tf } = lp;
    const a = call.args;
    tf[TF_EAX] = call.nr;
    tf[TF_EIP] = TEXT + 2;
    if (lp.proc.abi.name === "dragonfly") {
      tf[TF_EFLAGS]! &= ~PSL_C;
      a.forEach((v, i) => suword(lp.proc.vmspace!, tf[TF_ESP]! + 4 + 4 * i, v));
      return;
    }
    tf[TF_EBX] = a[0] ?? 0;
    tf[TF_ECX] = a[1] ?? 0;
    tf[TF_EDX] = a[2] ?? 0;
    tf[TF_ESI] = a[3] ?? 0;
    tf[TF_EDI] = a[4] ?? 0;
    tf[TF_EBP] = a[5] ?? 0;
  }
}

/** Runs one program as the superuser; returns bench and wait status. */
export async function run(program: Program): Promise<{ bench: UserBench; status: number }> {
  const bench = new UserBench();
  const p = bench.start(program);
  const status = await bench.run(p);
  return { bench, status };
}
