// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vkernel exec` and `vkernel attach`: the caller's terminal or streams at a program, or at the console, of a running machine.
 *
 * Invariant
 *   SE1  The caller's terminal is given back on every way to the end.
 */
import { DATA, END, ERROR_DATA, MESSAGE, onFrames, send, sendMessage, type Request, type TerminalSize } from "../../control/frames.ts";
import { openMachine, readMessage, RefusedError } from "../../control/client.ts";
import { Escapes } from "./escapes.ts";

/** Signals that are passed on to a program where there is no terminal to type them on; who is attached only looks on, and ends by them. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

export interface ExecOptions {
  readonly env?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly tty?: boolean;
}

/** The caller's terminal, null without one on both sides. */
function callerSize(): TerminalSize | null {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return null;
  return { rows: process.stdout.rows, cols: process.stdout.columns };
}

/** How a session ended: an exit status, or null when the other side hung up. */
async function session(name: string, request: Request, size: TerminalSize | null, escapes: boolean): Promise<number | null> {
  const socket = await openMachine(name);
  const { stdin, stdout, stderr } = process;
  let status: number | null = null;
  let failure: Error | null = null;
  const sendSize = (): void => sendMessage(socket, { size: { rows: stdout.rows, cols: stdout.columns } });
  const keys = new Escapes();
  const onInput = (bytes: Buffer): void => {
    const passed = escapes ? keys.filter(bytes) : bytes;
    if (passed === null) socket.end();
    else if (passed.length > 0 && !send(socket, DATA, passed)) {
      stdin.pause();
      socket.once("drain", () => stdin.resume());
    }
  };
  const onEnd = (): void => void send(socket, END, new Uint8Array(0));
  const onSignal = (signal: string): void => sendMessage(socket, { signal });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", (error) => (failure = error));
  onFrames(socket, (type, payload) => {
    if (type === DATA || type === ERROR_DATA) {
      const out = type === DATA ? stdout : stderr;
      if (!out.write(Buffer.from(payload))) {
        socket.pause();
        out.once("drain", () => socket.resume());
      }
    } else if (type === MESSAGE) {
      try {
        const { exit } = readMessage(name, payload) as { exit?: { status: number; signal: number; signalText: string } };
        if (exit !== undefined) status = exit.signal === 0 ? exit.status : 128 + exit.signal;
      } catch (error) {
        failure = error as Error;
      }
    }
  });
  sendMessage(socket, request);
  stdin.on("data", onInput);
  stdin.on("end", onEnd);
  if (size !== null) {
    stdin.setRawMode(true);
    stdout.on("resize", sendSize);
  } else if (request.op === "exec") for (const signal of SIGNALS) process.on(signal, onSignal);
  try {
    await closed;
  } finally {
    if (size !== null) stdin.setRawMode(false);
    stdin.off("data", onInput);
    stdin.off("end", onEnd);
    stdin.pause();
    // A file has nothing that would keep the process alive.
    if ("unref" in stdin) stdin.unref();
    stdout.off("resize", sendSize);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  }
  if (failure !== null) throw failure as Error;
  return status;
}

const EX_OWN = 125;
const STATUS: Readonly<Record<string, number>> = { ENOENT: 127, EACCES: 126, ENOEXEC: 126 };

/** Runs a program in a running machine; resolves to its exit status. */
export async function execInMachine(name: string, program: string, args: readonly string[], options: ExecOptions): Promise<number> {
  const size = options.tty === false ? null : callerSize();
  const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const env = [PATH, ...(size === null ? [] : [`TERM=${process.env["TERM"] ?? "vt100"}`]), ...(options.env ?? [])];
  const request: Request = {
    op: "exec",
    program: {
      argv: [program, ...args],
      env,
      ...(options.workdir === undefined ? {} : { cwd: options.workdir }),
      ...(options.user === undefined ? {} : { user: options.user }),
    },
    size,
  };
  try {
    return (await session(name, request, size, false)) ?? EX_OWN;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    process.stderr.write(`vkernel: ${error.what}: ${error.why}\n`);
    return STATUS[error.code] ?? EX_OWN;
  }
}

/** Shows a machine's console, and types into it, until it ends or the caller leaves with ~. at the beginning of a line. */
export async function attachToMachine(name: string): Promise<number> {
  const size = callerSize();
  await session(name, { op: "attach", size }, size, size !== null);
  return 0;
}
