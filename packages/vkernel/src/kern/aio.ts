// SPDX-License-Identifier: BSD-3-Clause
/**
 * Asynchronous requests on files, gathered in contexts (Linux fs/aio.c; io_submit(2)). A request runs beside its process: it is tried at
 * once, and again whenever what it waits for has come: a block of the disk, a barrier, room in a pipe, readiness.
 *
 * Invariants
 *   AI1  A context holds at most `limit` requests and completions; each request leaves exactly one completion, unless its context has ended.
 *   AI2  What is written was fetched when the request was made; what was read goes to the address space that asked, while that exists. So
 *        a request needs its process no more: writes that were begun are finished after exit and exec.
 *   AI3  A request holds its file until it is done. Requests that wait for readiness end with their context.
 *   AI4  A wakeup only schedules a request: it runs neither in another file's operation nor in a system call but its own io_submit.
 * @module
 */
import { EAGAIN, EINVAL, EIO, Errno } from "../sys/errno.ts";
import { O_NONBLOCK } from "../sys/fcntl.ts";
import { IoMiss, WaitChannel, WaitNode, WOULDBLOCK, type Sleeper } from "../sys/wait.ts";
import type { Barrier } from "../vfs/mount.ts";
import { vnodeSync } from "../vfs/vnode-pager.ts";
import { Uio } from "../vm/uio.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { Callout } from "./callout.ts";
import type { EventFile } from "./event-files.ts";
import { fdrop, fhold, type File } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import { waitsToRead, waitsToWrite } from "./poll.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, PKILL, PNORESTART, SLEEP_TIMEOUT, tsleep } from "./sleep.ts";
import { VnodeFile } from "./vnode-file.ts";

/** Requests that all contexts together may hold (Linux's fs.aio-max-nr). */
export const AIO_MAX = 65_536;

/** Bytes that one request reads from what is no file of a file system. */
const STREAM_MOST = 1 << 20;

/** What is said of a request that is done. */
export interface Completion {
  /** What the program calls it: a word pair of its own, and where its control block is. */
  readonly dataLo: number;
  readonly dataHi: number;
  readonly control: number;
  readonly count: number;
  readonly error: Errno | null;
}

/** How a request is named and announced. */
export interface RequestName {
  readonly dataLo: number;
  readonly dataHi: number;
  readonly control: number;
  /** Counts completions; null without one. */
  readonly announce: EventFile | null;
}

/** The contexts of all address spaces. */
export class AioTable {
  readonly #spaces = new Map<Vmspace, Map<number, AioContext>>();
  /** Requests that the contexts may hold together. */
  reserved = 0;

  /** A context named `id` in an address space. Throws EAGAIN when there are too many. */
  open(k: Kernel, vm: Vmspace, id: number, limit: number): AioContext {
    let contexts = this.#spaces.get(vm);
    if (contexts === undefined) {
      this.#spaces.set(vm, (contexts = new Map()));
      vm.onEnd = () => this.#end(vm);
    }
    const ctx = new AioContext(k, vm, limit);
    contexts.set(id, ctx);
    this.reserved += limit;
    return ctx;
  }
  /** Whether another context for so many requests may be made. */
  hasRoom(limit: number): boolean {
    return this.reserved + limit <= AIO_MAX;
  }
  /** Throws EINVAL. */
  get(vm: Vmspace, id: number): AioContext {
    const ctx = this.#spaces.get(vm)?.get(id >>> 0);
    if (ctx === undefined) throw EINVAL;
    return ctx;
  }
  /** The context's name means nothing any more; what it waits for is cancelled. Throws EINVAL. */
  close(vm: Vmspace, id: number): AioContext {
    const ctx = this.get(vm, id);
    this.#spaces.get(vm)!.delete(id >>> 0);
    this.reserved -= ctx.limit;
    ctx.end();
    return ctx;
  }
  #end(vm: Vmspace): void {
    for (const id of [...this.#spaces.get(vm)!.keys()]) this.close(vm, id);
    this.#spaces.delete(vm);
  }
}

export class AioContext {
  readonly k: Kernel;
  readonly vm: Vmspace;
  readonly limit: number;
  readonly pending = new Set<Request>();
  readonly done: Completion[] = [];
  ended = false;
  /** Woken by completions. */
  readonly #chan = new WaitChannel("aio");

  constructor(k: Kernel, vm: Vmspace, limit: number) {
    this.k = k;
    this.vm = vm;
    this.limit = limit;
  }

  get isFull(): boolean {
    return this.pending.size + this.done.length >= this.limit;
  }

  finished(request: Request, completion: Completion): void {
    this.pending.delete(request);
    if (!this.ended) this.done.push(completion);
    this.#chan.wakeup();
  }

  /** Ends a request that waits for readiness: its completion has no events. Throws EINVAL for others and those that are done. */
  cancel(control: number): void {
    for (const request of this.pending) {
      if (request.name.control !== control >>> 0) continue;
      if (request instanceof PollRequest) {
        request.cancel();
        return;
      }
      break;
    }
    throw EINVAL;
  }
  end(): void {
    this.ended = true;
    for (const request of this.pending) if (request instanceof PollRequest) request.cancel();
    this.#chan.wakeup();
  }

  /** Waits until at least `least` requests are done, or `timeoutNs` have passed. Throws EINTR when none is. */
  *waitDone(lp: Lwp, least: number, timeoutNs: number): Generator<void, void, void> {
    const deadline = timeoutNs === FOREVER ? FOREVER : this.k.nanouptime() + timeoutNs;
    while (this.done.length < least && !this.ended) {
      const left = deadline === FOREVER ? FOREVER : deadline - this.k.nanouptime();
      if (left <= 0) return;
      try {
        if ((yield* tsleep(lp, this.#chan, PCATCH | PNORESTART, left)) === SLEEP_TIMEOUT) return;
      } catch (e) {
        if (this.done.length === 0) throw e;
        return;
      }
    }
  }
  /** Waits until nothing is under way any more. */
  *waitIdle(lp: Lwp): Generator<void, void, void> {
    while (this.pending.size > 0) yield* tsleep(lp, this.#chan, PKILL, FOREVER);
  }
}

/** One request. */
export abstract class Request implements Sleeper {
  readonly name: RequestName;
  protected readonly ctx: AioContext;
  protected readonly lp: Lwp;
  protected readonly fp: File;
  readonly #node = new WaitNode(this);
  readonly #again = new Callout(() => this.run());
  #outcome: Completion | null = null;

  constructor(ctx: AioContext, lp: Lwp, fp: File, name: RequestName) {
    this.ctx = ctx;
    this.lp = lp;
    this.fp = fhold(fp);
    if (name.announce !== null) fhold(name.announce);
    this.name = name;
    ctx.pending.add(this);
  }

  /** Goes on; the result, or null when it waits for what will call wake(). May throw an Errno, or an IoMiss to be called again. */
  protected abstract step(): number | null;

  /** Sleeper: to be tried again soon (AI4). */
  wake(): void {
    const { k } = this.ctx;
    k.callouts.reset(this.#again, k.nanouptime());
  }
  protected waitAt(chan: WaitChannel): null {
    chan.add(this.#node);
    return null;
  }

  run(): void {
    const { late } = this.ctx.k.vm;
    const { armed } = late;
    // What is stored now is there before the program hears of it
    late.armed = false;
    try {
      if (this.#outcome === null) this.#advance();
      if (this.#outcome !== null) this.#release();
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      e.load(() => this.wake());
    } finally {
      late.armed = armed;
    }
  }

  #advance(): void {
    let count: number | null = 0;
    let error: Errno | null = null;
    try {
      count = this.step();
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
      error = e;
    }
    if (count !== null) this.complete(count, error);
  }
  protected complete(count: number, error: Errno | null): void {
    this.#node.channel?.remove(this.#node);
    const { dataLo, dataHi, control, announce } = this.name;
    this.#outcome = { dataLo, dataHi, control, count, error };
    this.ctx.finished(this, this.#outcome);
    announce?.add(1n);
  }
  /** Closing a file may take blocks of a disk, too: then it is tried again. */
  #release(): void {
    if (this.name.announce !== null && !this.#announced) fdrop(this.name.announce, null);
    this.#announced = true;
    fdrop(this.fp, null);
  }
  #announced = false;
}

/** Waits for barriers one after the other. */
abstract class DurableRequest extends Request {
  #barriers: readonly Barrier[] | null = null;

  /** Brings the file to stable storage; whether it is there. */
  protected synced(): boolean {
    if (!(this.fp instanceof VnodeFile)) return true;
    if (this.#barriers === null) {
      vnodeSync(this.fp.vp);
      this.#barriers = this.fp.vp.mount.barriers();
    }
    for (const barrier of this.#barriers) {
      if (!barrier.done) {
        this.waitAt(barrier.chan);
        return false;
      }
      if (barrier.failed) throw EIO;
    }
    return true;
  }
}

export class SyncRequest extends DurableRequest {
  protected step(): number | null {
    return this.synced() ? 0 : null;
  }
}

/** Moves bytes between a file and a buffer of the kernel. */
abstract class TransferRequest extends DurableRequest {
  protected done = 0;
  /** Moves bytes; the number, or WOULDBLOCK. */
  protected abstract move(uio: Uio): number;

  /** Fills or empties `buf`; false while it waits. */
  protected transfer(buf: Uint8Array, write: boolean): boolean {
    for (;;) {
      const uio = Uio.kernel(buf, this.done, buf.length - this.done);
      const n = this.move(uio);
      if (n === WOULDBLOCK) {
        const chan = this.fp.channel(write);
        if ((this.fp.flags & O_NONBLOCK) !== 0 || chan === null) throw EAGAIN;
        this.waitAt(chan);
        return false;
      }
      this.done += n;
      if (!uio.waits) return true;
    }
  }
}

export class ReadRequest extends TransferRequest {
  readonly #offset: number;
  readonly #buf: Uint8Array;
  readonly #to: () => Uio;
  #isRead = false;

  /** At most `len` bytes from `offset` to the memory that `to` gives. */
  constructor(ctx: AioContext, lp: Lwp, fp: File, name: RequestName, offset: number, len: number, to: () => Uio) {
    super(ctx, lp, fp, name);
    this.#offset = offset;
    const rest = fp instanceof VnodeFile && fp.dev === null ? Math.max(0, fp.vp.size() - offset) : STREAM_MOST;
    this.#buf = new Uint8Array(Math.min(len, rest));
    this.#to = to;
  }
  protected move(uio: Uio): number {
    return this.fp.positioned ? this.fp.pread(uio, this.#offset + this.done, this.lp) : this.fp.read(uio, this.lp);
  }
  protected step(): number | null {
    if (!this.#isRead && !this.transfer(this.#buf, false)) return null;
    this.#isRead = true;
    if (this.ctx.vm.refs > 0 && this.done > 0) this.#to().put(this.#buf, 0, this.done);
    return this.done;
  }
}

export class WriteRequest extends TransferRequest {
  readonly #offset: number;
  readonly #data: Uint8Array;
  readonly #sync: boolean;
  #isWritten = false;

  /** `sync`: it is done when the bytes are on stable storage. */
  constructor(ctx: AioContext, lp: Lwp, fp: File, name: RequestName, offset: number, data: Uint8Array, sync: boolean) {
    super(ctx, lp, fp, name);
    this.#offset = offset;
    this.#data = data;
    this.#sync = sync;
  }
  protected move(uio: Uio): number {
    return this.fp.positioned ? this.fp.pwrite(uio, this.#offset + this.done, this.lp) : this.fp.write(uio, this.lp);
  }
  protected step(): number | null {
    if (!this.#isWritten && !this.transfer(this.#data, true)) return null;
    this.#isWritten = true;
    return this.#sync && !this.synced() ? null : this.done;
  }
}

/** What could not even begin, because the program's memory is not there. */
export class FailedRequest extends Request {
  readonly #error: Errno;
  constructor(ctx: AioContext, lp: Lwp, fp: File, name: RequestName, error: Errno) {
    super(ctx, lp, fp, name);
    this.#error = error;
  }
  protected step(): never {
    throw this.#error;
  }
}

/** Waits until one of `events` is there; the result says which are. */
export class PollRequest extends Request {
  readonly #events: number;
  readonly #write = new WaitNode(this);

  constructor(ctx: AioContext, lp: Lwp, fp: File, name: RequestName, events: number) {
    super(ctx, lp, fp, name);
    this.#events = events;
  }
  protected step(): number | null {
    const { fp } = this;
    const events = this.#events;
    const ready = fp.poll(events);
    if (ready !== 0) return ready;
    if (waitsToRead(fp, events)) {
      const chan = fp.channel(false);
      if (chan !== null) this.waitAt(chan);
    }
    if (waitsToWrite(fp, events)) fp.channel(true)?.add(this.#write);
    return null;
  }
  protected override complete(count: number, error: Errno | null): void {
    this.#write.channel?.remove(this.#write);
    super.complete(count, error);
  }
  /** It ends with no event. */
  cancel(): void {
    this.complete(0, null);
    this.wake();
  }
}
