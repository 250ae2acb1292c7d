// SPDX-License-Identifier: BSD-3-Clause
/**
 * A deterministic HostPlatform: time that moves only when told or slept through, seeded entropy, scripted terminal input,
 * files in memory. The same seed and script give the same run (I-DET).
 * @module
 */
import {
  HostFileError,
  type HostDirent,
  type HostFiles,
  type HostInput,
  type HostIoDone,
  type HostOpenOptions,
  type HostOutput,
  type HostPlatform,
  type HostSignalName,
  type HostStat,
  type HostTerminal,
  type WindowSize,
} from "./platform.ts";

/** Something to do at a virtual time. */
interface SimEvent {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface SimPlatformOptions {
  /** Seed of entropy(); 1 unless given. */
  readonly seed?: number;
  /** Wall clock at monotonic time 0, microseconds since 1970; 0 unless given. */
  readonly epochUs?: number;
  /** Nanoseconds that each look at the clock takes, so that loops over the clock end; 1000 unless given. */
  readonly tickNs?: number;
  readonly isTTY?: boolean;
  readonly size?: WindowSize;
}

export class SimPlatform implements HostPlatform {
  readonly terminal: SimTerminal;
  readonly files = new SimFiles(this);
  #now = 0;
  #order = 0;
  #events: SimEvent[] = [];
  #awake = false;
  #random: number;
  #signal: (name: HostSignalName) => void = () => {};
  #signals: readonly HostSignalName[] = [];
  readonly #epochUs: number;
  readonly #tickNs: number;

  constructor(options: SimPlatformOptions = {}) {
    this.#random = (options.seed ?? 1) >>> 0 || 1;
    this.#epochUs = options.epochUs ?? 0;
    this.#tickNs = options.tickNs ?? 1000;
    this.terminal = new SimTerminal(options.isTTY ?? false, options.size ?? { rows: 24, cols: 80 });
  }

  monotonicNs(): number {
    this.#now += this.#tickNs;
    return this.#now;
  }

  wallClockUs(): number {
    return this.#epochUs + Math.floor(this.#now / 1000);
  }

  /** Bytes of a xorshift generator: reproducible, unfit for keys. */
  entropy(buf: Uint8Array): void {
    let x = this.#random;
    for (let i = 0; i < buf.length; i++) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      buf[i] = x >>> 24;
    }
    this.#random = x >>> 0;
  }

  /** Runs `event` when virtual time reaches `delayNs` from now, in an idle sleep or breathe(). */
  after(delayNs: number, event: () => void): void {
    this.#events.push({ at: this.#now + delayNs, order: this.#order++, run: event });
    this.#events.sort((a, b) => a.at - b.at || a.order - b.order);
  }

  onSignal(names: readonly HostSignalName[], callback: (name: HostSignalName) => void): void {
    this.#signals = names;
    this.#signal = callback;
  }

  /** Delivers a host signal at the next sleep or breathe(). */
  signal(name: HostSignalName): void {
    this.after(0, () => {
      if (this.#signals.includes(name)) this.#signal(name);
    });
  }

  #runDue(): void {
    while (this.#events.length !== 0 && this.#events[0]!.at <= this.#now) this.#events.shift()!.run();
  }

  /** Moves time to the next event or the deadline, whichever is first. Throws when neither exists: a deadlock. */
  async sleep(deadlineNs: number): Promise<void> {
    await Promise.resolve();
    this.#runDue();
    while (!this.#awake && this.#now < deadlineNs) {
      const next = this.#events[0]?.at ?? Infinity;
      if (next === Infinity && deadlineNs === Infinity)
        throw new Error("simulation: asleep for ever, no event is due");
      this.#now = Math.max(this.#now, Math.min(next, deadlineNs));
      this.#runDue();
    }
    this.#awake = false;
  }

  wake(): void {
    this.#awake = true;
  }

  async breathe(): Promise<void> {
    await Promise.resolve();
    this.#runDue();
  }
}

class SimInput implements HostInput {
  readonly isTTY: boolean;
  #sink: ((bytes: Uint8Array | null) => void) | null = null;
  #queue: (Uint8Array | null)[] = [];
  #paused = false;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  onInput(sink: (bytes: Uint8Array | null) => void): void {
    this.#sink = sink;
    this.#deliver();
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    this.#deliver();
  }
  /** Makes bytes (or the end, null) arrive; call it from an event (SimPlatform.after). */
  push(bytes: Uint8Array | null): void {
    this.#queue.push(bytes);
    this.#deliver();
  }
  #deliver(): void {
    while (this.#sink !== null && !this.#paused && this.#queue.length !== 0) this.#sink(this.#queue.shift()!);
  }
}

class SimOutput implements HostOutput {
  readonly isTTY: boolean;
  #drain: () => void = () => {};
  /** Everything written so far. */
  readonly bytes: number[] = [];
  /** While true, write() asks its caller to wait. */
  stopped = false;
  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }
  write(bytes: Uint8Array): boolean {
    for (const byte of bytes) this.bytes.push(byte);
    return !this.stopped;
  }
  onDrain(callback: () => void): void {
    this.#drain = callback;
  }
  /** The reader goes on. */
  drain(): void {
    this.stopped = false;
    this.#drain();
  }
  /** What was written, as a byte string. */
  get text(): string {
    let text = "";
    for (const byte of this.bytes) text += String.fromCharCode(byte);
    return text;
  }
}

export class SimTerminal implements HostTerminal {
  readonly input: SimInput;
  readonly output: SimOutput;
  readonly error: SimOutput;
  readonly isTTY: boolean;
  raw = false;
  #size: WindowSize;
  #resized: () => void = () => {};
  constructor(isTTY: boolean, size: WindowSize) {
    this.isTTY = isTTY;
    this.input = new SimInput(isTTY);
    this.output = new SimOutput(isTTY);
    this.error = new SimOutput(isTTY);
    this.#size = size;
  }
  size(): WindowSize {
    return this.#size;
  }
  resize(size: WindowSize): void {
    this.#size = size;
    this.#resized();
  }
  onResize(callback: () => void): void {
    this.#resized = callback;
  }
  setRaw(raw: boolean): void {
    this.raw = raw;
  }
}

interface SimNode {
  readonly ino: number;
  mode: number;
  bytes: Uint8Array;
  size: number;
  mtimeMs: number;
  nlink: number;
}

/** Flat files in memory, keyed by path: enough for disk images. Directories and links are refused with ENOTSUP. */
export class SimFiles implements HostFiles {
  readonly #platform: SimPlatform;
  readonly #nodes = new Map<string, SimNode>();
  readonly #open: (SimNode | undefined)[] = [];
  #nextIno = 1;
  /** Virtual time that an asynchronous call takes. */
  latencyNs = 50_000;
  constructor(platform: SimPlatform) {
    this.#platform = platform;
  }

  #fail(code: string, what: string): never {
    throw new HostFileError(code, `${code}: ${what}`);
  }
  #node(fd: number): SimNode {
    return this.#open[fd] ?? this.#fail("EBADF", `descriptor ${fd}`);
  }
  #at(path: string): SimNode {
    return this.#nodes.get(path) ?? this.#fail("ENOENT", path);
  }

  open(path: string, options: HostOpenOptions): number {
    let node = this.#nodes.get(path);
    if (node !== undefined && options.exclusive) this.#fail("EEXIST", path);
    if (node === undefined) {
      if (!options.create) this.#fail("ENOENT", path);
      node = {
        ino: this.#nextIno++,
        mode: options.mode ?? 0o644,
        bytes: new Uint8Array(0),
        size: 0,
        mtimeMs: 0,
        nlink: 1,
      };
      this.#nodes.set(path, node);
    }
    if (options.truncate) node.size = 0;
    let fd = this.#open.indexOf(undefined);
    if (fd < 0) fd = this.#open.length;
    this.#open[fd] = node;
    return fd;
  }
  close(fd: number): void {
    this.#node(fd);
    this.#open[fd] = undefined;
  }
  read(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number): number {
    const node = this.#node(fd);
    const count = Math.max(0, Math.min(len, node.size - offset));
    buf.set(node.bytes.subarray(offset, offset + count), bufOff);
    return count;
  }
  write(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number): number {
    const node = this.#node(fd);
    this.#resize(node, Math.max(node.size, offset + len));
    node.bytes.set(buf.subarray(bufOff, bufOff + len), offset);
    node.mtimeMs = this.#platform.wallClockUs() / 1000;
    return len;
  }
  #resize(node: SimNode, size: number): void {
    if (size > node.bytes.length) {
      const grown = new Uint8Array(Math.max(size, node.bytes.length * 2));
      grown.set(node.bytes.subarray(0, node.size));
      node.bytes = grown;
    } else if (size < node.size) {
      node.bytes.fill(0, size, node.size);
    }
    node.size = size;
  }
  fstat(fd: number): HostStat {
    return this.#stat(this.#node(fd));
  }
  #stat(node: SimNode): HostStat {
    const { ino, mode, nlink, size, mtimeMs } = node;
    const times = { atimeMs: mtimeMs, mtimeMs, ctimeMs: mtimeMs };
    return { type: "file", mode, ino, nlink, uid: 0, gid: 0, size, bytes: size, ...times };
  }
  ftruncate(fd: number, size: number): void {
    this.#resize(this.#node(fd), size);
  }
  fsync(fd: number): void {
    this.#node(fd);
  }
  #later(done: HostIoDone, call: () => number): void {
    this.#platform.after(this.latencyNs, () => {
      let count = 0;
      let error: HostFileError | null = null;
      try {
        count = call();
      } catch (e) {
        if (!(e instanceof HostFileError)) throw e;
        error = e;
      }
      done(error, count);
    });
  }
  readAsync(
    fd: number,
    buf: Uint8Array,
    bufOff: number,
    len: number,
    offset: number,
    done: HostIoDone,
  ): void {
    this.#later(done, () => this.read(fd, buf, bufOff, len, offset));
  }
  writeAsync(
    fd: number,
    buf: Uint8Array,
    bufOff: number,
    len: number,
    offset: number,
    done: HostIoDone,
  ): void {
    this.#later(done, () => this.write(fd, buf, bufOff, len, offset));
  }
  fsyncAsync(fd: number, done: HostIoDone): void {
    this.#later(done, () => {
      this.fsync(fd);
      return 0;
    });
  }

  stat(path: string): HostStat {
    return this.#stat(this.#at(path));
  }
  lstat(path: string): HostStat {
    return this.stat(path);
  }
  unlink(path: string): void {
    this.#at(path).nlink--;
    this.#nodes.delete(path);
  }
  rename(from: string, to: string): void {
    const node = this.#at(from);
    this.#nodes.delete(from);
    this.#nodes.set(to, node);
  }
  link(existing: string, path: string): void {
    const node = this.#at(existing);
    node.nlink++;
    this.#nodes.set(path, node);
  }
  chmod(path: string, mode: number): void {
    this.#at(path).mode = mode;
  }
  utimes(path: string, _atimeMs: number, mtimeMs: number): void {
    this.#at(path).mtimeMs = mtimeMs;
  }
  truncate(path: string, size: number): void {
    this.#resize(this.#at(path), size);
  }
  readdir(path: string): HostDirent[] {
    return this.#fail("ENOTSUP", path);
  }
  readlink(path: string): string {
    return this.#fail("ENOTSUP", path);
  }
  mkdir(path: string): void {
    this.#fail("ENOTSUP", path);
  }
  rmdir(path: string): void {
    this.#fail("ENOTSUP", path);
  }
  symlink(_target: string, path: string): void {
    this.#fail("ENOTSUP", path);
  }
}
