// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs that are started from outside in a running system, each in a session of its own with a terminal or streams of its
 * own (`vkernel exec`), and what may be seen of the processes there.
 * @module
 */
import type { HostTerminal } from "@vkernel/hostkernel";
import { ConsoleSet, sessionNames } from "./boot-console.ts";
import { BootError, KernelPanic, waitBeside } from "./boot-error.ts";
import { programCred, startProgram, type FirstProgram } from "./boot-first.ts";
import { exit1 } from "./kern/exit.ts";
import { makeProcess } from "./kern/init-main.ts";
import type { Kernel } from "./kern/kernel.ts";
import { LSRUN, P_SYSTEM, SSTOP, SZOMB, type Proc } from "./kern/proc.ts";
import { procTimes } from "./kern/resource.ts";
import { pgsignal, psignal } from "./kern/sig.ts";
import type { VkMachine } from "./platform/machine.ts";
import { SIGHUP, signalText } from "./sys/signal.ts";

/** A program to be started, and what it reads from and writes to: a terminal if `terminal` is one. */
export interface SpawnOptions extends Omit<FirstProgram, "stdio" | "init"> {
  readonly terminal: HostTerminal;
}

/** How a program has ended. */
export interface ProgramEnd {
  readonly status: number;
  /** Number of the signal that killed it as its ABI counts, 0 for none; and what shells print for it. */
  readonly signal: number;
  readonly signalText: string;
}

export interface SpawnedProgram {
  readonly pid: number;
  readonly ended: Promise<ProgramEnd>;
  /** Sends a native signal to the program. */
  signal(sig: number): void;
  /** Whoever had the terminal has gone. */
  hangup(): void;
}

/** A process as ps(1) would tell of it. */
export interface ProcessInfo {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly state: "R" | "S" | "T" | "Z";
  /** Processor seconds. */
  readonly time: number;
  readonly command: string;
}

function stateOf(p: Proc): ProcessInfo["state"] {
  if (p.stat === SZOMB) return "Z";
  if (p.stat === SSTOP) return "T";
  for (const lp of p.lwps.values()) if (lp.state === LSRUN) return "R";
  return "S";
}

/** All processes, in the order of their ids. */
export function processList(k: Kernel): ProcessInfo[] {
  return [...k.procs.values()]
    .map((p) => {
      const { userNs, sysNs } = procTimes(p);
      const isKernel = (p.flags & P_SYSTEM) !== 0;
      return {
        pid: p.pid, ppid: p.parent?.pid ?? 0, uid: p.cred.uid, state: stateOf(p), time: (userNs + sysNs) / 1e9,
        command: isKernel || p.args.length === 0 ? `[${p.comm}]` : p.args.join(" "),
      };
    })
    .sort((a, b) => a.pid - b.pid);
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((fulfil) => (resolve = fulfil));
  return { promise, resolve };
}

/** Starts programs in one running kernel. */
export class Spawner {
  readonly #k: Kernel;
  readonly #machine: VkMachine;
  readonly #units = new Set<number>();

  constructor(k: Kernel, machine: VkMachine) {
    this.#k = k;
    this.#machine = machine;
  }

  /** Starts a program. Throws BootError when it cannot be executed, or the system is about to end. */
  async spawn(options: SpawnOptions): Promise<SpawnedProgram> {
    const k = this.#k;
    if (k.shutdownRequest !== null) throw new BootError("EOTHER", "the system is going down");
    let unit = 0;
    while (this.#units.has(unit)) unit++;
    this.#units.add(unit);
    const terminal = this.#machine.inKernel(options.terminal);
    const consoles = new ConsoleSet(terminal, k.devsw, () => k.nanouptime(), false, sessionNames(unit));
    const lp = makeProcess(k, k.abis[0]!, programCred(options));
    const p = lp.proc;
    const { promise: ended, resolve } = deferred<ProgramEnd>();
    /** What the program wrote last may still wait for its reader. */
    const finish = (): void => {
      if (p.stat !== SZOMB || consoles.hasOutput || !this.#units.delete(unit)) return;
      consoles.hangup();
      const sig = p.xstat & 0x7f;
      resolve({ status: (p.xstat >> 8) & 0xff, signal: sig === 0 ? 0 : p.abi.signo(sig), signalText: sig === 0 ? "" : signalText(sig) });
    };
    p.onExit = finish;
    try {
      await startProgram(lp, consoles, { ...options, stdio: "console" }, waitBeside);
    } catch (e) {
      if (e instanceof KernelPanic) {
        // It is the end of everything that runs here, not of this call alone.
        this.#machine.post(() => {
          throw e;
        });
        throw e;
      }
      // The process has no image to go back to: it ends where it is.
      exit1(lp, 0);
      throw e;
    }
    terminal.output.onDrain(finish);
    // The machine may be asleep: there is something to run now.
    this.#machine.post(() => {});
    return {
      pid: p.pid,
      ended,
      signal: (sig) => this.#machine.post(() => psignal(p, sig)),
      hangup: () => this.#machine.post(() => pgsignal(p.pgrp, SIGHUP)),
    };
  }
}
