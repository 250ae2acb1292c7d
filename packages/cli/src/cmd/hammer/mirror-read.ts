// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer` mirror-read and mirror-read-stream: a PFS, or what changed in it, as a stream on standard output. Source of
 * protocol and messages: DragonFly sbin/hammer/cmd_mirror.c, hammer_cmd_mirror_read().
 *
 * The image is open during a pass only. Everything is synchronous: standard input and output may be one socket, and
 * records leave no faster than the other end takes them.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mirrorHello, MirrorReplies, mirrorTerm, mirrorWindows, type HammerMount, type MirrorReply, type MirrorWindow, type PfsInfo } from "@vkernel/hammer";
import { CliError } from "../../ui/errors.ts";
import { encodeCycle, hex, maintain, pfsAt } from "./admin-context.ts";
import { bandwidth, checkQuiet, delayOption, note, noTerminal, pause, ScoreBoard, splitSize, timeLimit, writerOf } from "./mirror-options.ts";
import { verbosity, type GlobalOptions } from "./options.ts";
import { readInput, writeOutput } from "./output.ts";
import { checkTarget } from "./running.ts";

/** Bytes of a stream that are collected before they are written. */
const PIECE = 1 << 18;
const CYCLE_TID_AT = 40;

/** A transaction id in hex. */
export function beginTid(text: string): bigint {
  if (!/^(0x)?[0-9a-f]+$/i.test(text)) throw new CliError(text, "is no transaction id in hex");
  return BigInt(`0x${text.replace(/^0x/i, "")}`);
}

/** What the target says, as it comes on standard input. */
class Target {
  readonly #input = readInput();
  readonly #replies = new MirrorReplies();

  /** The next answer of that type; null for TERM. Throws when the target is gone. */
  expect<T extends MirrorReply["type"]>(type: T): Extract<MirrorReply, { type: T }> | null {
    for (;;) {
      const reply = this.#replies.next();
      if (reply !== null) {
        if (reply.type === "term") return null;
        if (reply.type !== type) throw new CliError("mirror-read", `the target answered with ${reply.type} where ${type} was due`);
        return reply as Extract<MirrorReply, { type: T }>;
      }
      const { value, done } = this.#input.next();
      if (done) throw new CliError("mirror-read", type === "update" ? "Did not get final acknowledgement packet from target" : "the target closed the connection");
      this.#replies.feed(value);
    }
  }
}

/** TID from which the cycle file says to go on. */
function cycleTid(g: GlobalOptions): bigint {
  if (g.c === undefined || !existsSync(g.c)) return 0n;
  const b = readFileSync(g.c);
  if (b.length < CYCLE_TID_AT + 8) throw new CliError(g.c, "not a cycle file: it is too short", "remove it to start over");
  return b.readBigUInt64LE(CYCLE_TID_AT);
}

/** Notes in the cycle file up to where the target is complete. A pass that broke off is always repeated as a whole. */
function writeCycleTid(g: GlobalOptions, tid: bigint): void {
  if (g.c === undefined) return;
  const begin = encodeCycle({ localization: 0, objHi: -0x8000_0000, objLo: 0, recType: 0, keyHi: -0x8000_0000, keyLo: 0, tidHi: 0, tidLo: 1 });
  new DataView(begin.buffer, begin.byteOffset).setBigUint64(CYCLE_TID_AT, tid, true);
  writeFileSync(g.c, begin);
}

/** One run of the command: any number of passes. */
class MirrorRead {
  readonly #volumes: string[];
  readonly #g: GlobalOptions;
  readonly #path: string;
  readonly #begin: bigint | null;
  readonly #streaming: boolean;
  readonly #target: Target | null;
  readonly #limit: (bytes: number) => void;
  readonly #inTime: () => boolean;
  readonly #score: ScoreBoard;
  /** Passes of a large transfer that are still to come. */
  #windows: MirrorWindow[] | null = null;
  /** Up to which TID everything was sent. */
  #sent = 0n;

  constructor(volumes: string[], g: GlobalOptions, path: string, begin: bigint | null, streaming: boolean) {
    this.#volumes = volumes;
    this.#g = g;
    this.#path = path;
    this.#begin = begin;
    this.#streaming = streaming;
    this.#target = g["2"] ? new Target() : null;
    this.#limit = bandwidth(g);
    this.#inTime = timeLimit(g);
    this.#score = new ScoreBoard(g.e);
  }

  run(): void {
    const delay = delayOption(this.#g, undefined) * 1000;
    for (;;) {
      this.#score.set("state", "Running");
      const started = Date.now();
      const outcome = this.#pass();
      if (outcome === "target-ended") break;
      if (outcome === "interrupted") {
        writeOutput(mirrorTerm());
        break;
      }
      if (this.#windows !== null && this.#windows.length > 0) continue;
      if (!this.#streaming || !this.#inTime()) {
        writeOutput(mirrorTerm());
        break;
      }
      this.#score.set("state", "Waiting");
      pause(delay - (Date.now() - started));
      if (!this.#waitForChange(delay)) {
        writeOutput(mirrorTerm());
        break;
      }
    }
    this.#score.close();
    note(this.#g, `Mirror-read ${this.#path} succeeded`);
  }

  /** Returns when the source has something newer than was sent and nobody writes it; false when -t ended the wait. */
  #waitForChange(delay: number): boolean {
    while (this.#inTime()) {
      if (writerOf(this.#volumes) === null && maintain(this.#volumes, (m) => pfsAt(m, this.#path).slave ? pfsAt(m, this.#path).syncEndTid : m.info().nextTid, { readOnly: true }) > this.#sent) return true;
      pause(Math.max(delay, 200));
    }
    return false;
  }

  #pass(): "done" | "interrupted" | "target-ended" {
    if (!this.#streaming) checkQuiet(this.#volumes, this.#g);
    return maintain(this.#volumes, (m) => {
      const pfs = pfsAt(m, this.#path);
      writeOutput(mirrorHello(m, pfs.id));
      let tidBeg = this.#sent === 0n ? 0n : this.#sent + 1n;
      if (this.#target !== null) {
        const hello = this.#target.expect("hello");
        if (hello === null) return "target-ended";
        if (hello.sharedUuid !== pfs.sharedUuid) throw new CliError("mirror-write", "source and target have different shared-uuid's!");
        tidBeg = hello.syncEndTid + 1n;
      } else if (this.#sent === 0n) {
        tidBeg = cycleTid(this.#g);
      }
      if (this.#begin !== null && this.#sent === 0n) tidBeg = this.#begin;
      return this.#send(m, pfs, tidBeg);
    }, { readOnly: true });
  }

  #send(m: HammerMount, pfs: PfsInfo, tidBeg: bigint): "done" | "interrupted" {
    const g = this.#g;
    const split = splitSize(g);
    if (this.#windows === null && split !== Infinity) {
      note(g, "Prescan to break up bulk transfer");
      const w = (this.#windows = mirrorWindows(m, { pfs: pfs.id, tidBeg }, split));
      const total = w.reduce((sum, x) => sum + x.bytes, 0);
      const summary = `Prescan ${w.length} chunks, total ${Math.floor(total / 2 ** 20)} MBytes`;
      this.#score.set("message", summary);
      note(g, `${summary} (${w.slice(0, 3).map((x) => x.bytes).join(", ")}${w.length > 3 ? ", ..." : ""})`);
    }
    const window = this.#windows?.shift();
    const newest = pfs.slave ? pfs.syncEndTid : m.info().nextTid;
    const tidEnd = window?.tidEnd ?? newest;
    if (!this.#streaming || verbosity(g) >= 2) note(g, `Mirror-read: Mirror ${hex(tidBeg)} to ${hex(tidEnd)}${window === undefined ? "" : ` (bulk= ${window.bytes})`}`);
    const stream = m.mirrorRead({ pfs: pfs.id, tidBeg, tidEnd });
    stream.next(); // what the source says about itself has been sent
    if (!this.#copy(stream, tidBeg, tidEnd)) return "interrupted";
    this.#sent = tidEnd;
    if (this.#target !== null) {
      const update = this.#target.expect("update");
      if (update === null) throw new CliError("mirror-read", "Did not get final acknowledgement packet from target");
      writeCycleTid(g, update.tid);
      if (g.c !== undefined) note(g, `Cyclefile ${g.c} updated to 0x${hex(update.tid)}`);
    } else if (g.c !== undefined) {
      note(g, "Warning: cycle file (-c option) cannot be fully updated unless you use mirror-copy");
      writeCycleTid(g, tidBeg);
    }
    return "done";
  }

  /** Writes the records of a pass. False if -t ended it; its end is not sent then. */
  #copy(stream: Iterable<Uint8Array>, tidBeg: bigint, tidEnd: bigint): boolean {
    let pieces: Uint8Array[] = [];
    let size = 0, total = 0;
    const flush = (): void => {
      writeOutput(Buffer.concat(pieces));
      this.#limit(size);
      total += size;
      pieces = [];
      size = 0;
      this.#score.set("progress", `tids=${hex(tidBeg)}:${hex(tidEnd)} ${String(total).padStart(11)}`);
    };
    for (const record of stream) {
      pieces.push(record);
      size += record.length;
      if (size < PIECE) continue;
      flush();
      if (this.#inTime()) continue;
      this.#score.set("message", `Mirror-read ${this.#path} interrupted by timer`);
      note(this.#g, `Mirror-read ${this.#path} interrupted by timer after ${total} bytes; the target stays as it was before the pass`);
      return false;
    }
    flush();
    note(this.#g, `Mirror-read: ${total} bytes, transaction ids up to 0x${hex(tidEnd)}`, 1);
    return true;
  }
}

/** `hammer mirror-read fs [begin-tid]` and `mirror-read-stream`. */
export function mirrorReadCommand(volumes: string[], g: GlobalOptions, path: string, begin: string | undefined, streaming: boolean): void {
  checkTarget(g, path);
  noTerminal(process.stdout, "standard output", "a stream goes to a file or into a pipe: hammer -f IMG mirror-read / > changes.mirror");
  new MirrorRead(volumes, g, path, begin === undefined ? null : beginTid(begin), streaming).run();
}
