// SPDX-License-Identifier: BSD-3-Clause
/** What the mirror commands share: messages, limits of time and bandwidth, the score board, streams that are no terminals. */
import { closeSync, openSync, writeSync } from "node:fs";
import { ImageLock } from "@vkernel/hammer/node";
import { CliError } from "../../ui/errors.ts";
import { secondsOption, sizeOption, verbosity, type GlobalOptions } from "./options.ts";

const SPLIT_DEFAULT = 4 * 2 ** 30;
const DELAY_DEFAULT = 5;

/** Says something to people: on standard error, from that verbosity on. */
export function note(g: GlobalOptions, text: string, level = 0): void {
  if (verbosity(g) >= level) process.stderr.write(`${text}\n`);
}

/** Bytes of a pass of a large transfer; Infinity with -B. */
export function splitSize(g: GlobalOptions): number {
  return g.B ? Infinity : Math.max(1, sizeOption(g.S, "-S", SPLIT_DEFAULT));
}

/** Least seconds between two passes of a stream. */
export function delayOption(g: GlobalOptions, own: string | undefined): number {
  return own === undefined ? secondsOption(g.i, "-i", DELAY_DEFAULT) : secondsOption(own, "--delay", DELAY_DEFAULT);
}

/** Waits in a synchronous command; signals end the process meanwhile as always. */
export function pause(ms: number): void {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** -b: called with the bytes just sent, waits where they were too fast. */
export function bandwidth(g: GlobalOptions): (bytes: number) => void {
  if (g.b === undefined) return () => {};
  const limit = sizeOption(g.b, "-b", 0);
  if (limit <= 0) throw new CliError("-b", `'${g.b}' is no bandwidth`, "bytes a second, such as 512k");
  const start = Date.now();
  let sent = 0;
  return (bytes) => {
    sent += bytes;
    pause((sent / limit) * 1000 - (Date.now() - start));
  };
}

/** -t: false once the seconds are over. */
export function timeLimit(g: GlobalOptions): () => boolean {
  const limit = secondsOption(g.t, "-t", 0);
  const end = limit > 0 ? Date.now() + limit * 1000 : Infinity;
  return () => Date.now() < end;
}

/** Throws where a stream would go to or come from a terminal. */
export function noTerminal(stream: NodeJS.ReadStream | NodeJS.WriteStream, name: string, hint: string): void {
  if (stream.isTTY) throw new CliError(name, "is a terminal", hint);
}

/** The process that has the source open for writing, so that its bytes change while they are read; null if none has. */
export function writerOf(volumes: readonly string[]): string | null {
  for (const v of volumes) {
    const holder = ImageLock.holder(v);
    if (holder !== null && holder.pid !== process.pid) return `process ${holder.pid}: ${holder.command}`;
  }
  return null;
}

/** Throws if the source is being written, unless -F. */
export function checkQuiet(volumes: readonly string[], g: GlobalOptions): void {
  const writer = g.F ? null : writerOf(volumes);
  if (writer !== null) throw new CliError(volumes[0]!, `is in use for writing by ${writer}`, "mirror when it is not, or -F before the command reads it as it is");
}

/** Columns of the score board: where a field begins, and its width. */
const FIELDS = { state: [0, 20], progress: [20, 78], message: [90, 70] } as const;

/** The file of -e: one line of fixed columns, rewritten in place. */
export class ScoreBoard {
  readonly #fd: number;
  readonly #line = Buffer.alloc(160, " ");
  #size = 0;

  constructor(path: string | undefined) {
    this.#fd = path === undefined ? -1 : openSync(path, "w");
  }

  set(field: keyof typeof FIELDS, text: string): void {
    if (this.#fd < 0) return;
    const [at, width] = FIELDS[field];
    this.#line.write(`${text.slice(0, width - 1).padEnd(width - 1)}\n`, at, "latin1");
    this.#size = Math.max(this.#size, at + width);
    writeSync(this.#fd, this.#line, 0, this.#size, 0);
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
  }
}
