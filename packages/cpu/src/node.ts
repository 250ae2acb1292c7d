// SPDX-License-Identifier: BSD-3-Clause
/**
 * The region compiler in a thread of Node: `@vkernel/cpu/node`.
 *
 * One thread serves all processors of the process. It does not keep the process alive, and its memory is bounded: when it needs more, or
 * ends for another reason, regions are compiled in place.
 * @packageDocumentation
 */
import { existsSync } from "node:fs";
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
import type { CompileReply, CompileRequest, CompileService, CompilerSetup } from "./jit/request.ts";

/** What the thread is told of a new machine. */
export interface NewMachine {
  readonly setup: CompilerSetup;
  readonly port: MessagePort;
  /** Counts the replies, so that the machine need not look into the port. */
  readonly replies: Int32Array;
}

/** Most memory of the JavaScript heap of the thread, which takes some 35 MiB in all when it is busy. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };

const WORKER = new URL("./compile-worker.js", import.meta.url);

/** The thread; null = there is none yet, or there is none any more. */
let worker: Worker | null = null;
const services = new Set<WeakRef<ThreadCompiler>>();
/** A machine that is no more closes its port, and the thread forgets it. */
const machines = new FinalizationRegistry<{ readonly port: MessagePort; readonly service: WeakRef<ThreadCompiler> }>(
  ({ port, service }) => {
    port.close();
    services.delete(service);
  },
);

function startWorker(): Worker | null {
  // Running from source there is none: Node does not run TypeScript in threads.
  if (worker !== null || !existsSync(WORKER)) return worker;
  let started: Worker;
  try {
    // Options of the command line are about the main program; some would keep a thread from starting.
    started = new Worker(WORKER, { execArgv: [], resourceLimits: HEAP_LIMITS, name: "vkernel compiler" });
  } catch {
    // Node's permission model forbids threads, or the host has no more of them: the machine can do without.
    return null;
  }
  const ended = (): void => {
    if (worker !== started) return;
    worker = null;
    for (const service of services) {
      const compiler = service.deref();
      if (compiler !== undefined) compiler.failed = true;
    }
    services.clear();
  };
  started.on("error", ended);
  started.on("exit", ended);
  started.unref();
  return (worker = started);
}

class ThreadCompiler implements CompileService {
  failed = false;
  readonly #port: MessagePort;
  readonly #replies = new Int32Array(new SharedArrayBuffer(4));
  #received = 0;

  constructor(setup: CompilerSetup) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.unref();
    const thread = startWorker();
    if (thread === null) {
      this.failed = true;
      port1.close();
      return;
    }
    const machine: NewMachine = { setup, port: port2, replies: this.#replies };
    thread.postMessage(machine, [port2]);
    const service = new WeakRef(this);
    services.add(service);
    machines.register(this, { port: port1, service });
  }

  post(request: CompileRequest): void {
    this.#port.postMessage(request);
  }
  receive(): CompileReply | null {
    if (Atomics.load(this.#replies, 0) === this.#received) return null;
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return null;
    this.#received++;
    return received.message as CompileReply;
  }
}

/** Compiles regions in a thread of their own; for JitOptions.compiler. */
export function startCompiler(setup: CompilerSetup): CompileService {
  return new ThreadCompiler(setup);
}
