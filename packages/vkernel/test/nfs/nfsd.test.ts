// SPDX-License-Identifier: BSD-3-Clause
/** The server's threads and connections, over the machine's own loopback: bad and slow clients harm nobody else. */
import { KERNEL_CRED } from "../../src/net/socket.ts";
import { beforeEach, describe, expect, it } from "vitest";
import { InetSocket } from "../../src/net/inet/socket.ts";
import { MAX_DATA, NFS3 } from "../../src/nfs/nfs3-proto.ts";
import { NfsService } from "../../src/nfs/nfsd.ts";
import { marked as markedPieces, readReply, RecordReader } from "../../src/nfs/rpc.ts";
import { encoded, joined, struct, uint32 } from "../../src/nfs/xdr.ts";
import { ECONNRESET } from "../../src/sys/errno.ts";
import { AF_INET, SHUT_WR, SOCK_STREAM } from "../../src/sys/socket.ts";
import { WaitChannel, WOULDBLOCK } from "../../src/sys/wait.ts";
import { Uio } from "../../src/vm/uio.ts";
import type { UserBench } from "../kern/user-bench.ts";
import { Client, Service, UNCHANGED } from "./client.ts";

/** A call as it goes over the wire. */
const marked = (call: Uint8Array): Uint8Array => joined(markedPieces([call]));

const CRED = { ...KERNEL_CRED, pid: 1 };
let bench: UserBench;
let service: NfsService;

/** A connection of a client, without the rest of it. */
class Wire {
  readonly socket = new InetSocket(AF_INET, SOCK_STREAM, CRED);
  readonly #reader = new RecordReader(2 * MAX_DATA);
  readonly isConnected: boolean;
  constructor() {
    this.isConnected = bench.k.inet.connect(this.socket, { host: "127.0.0.1", port: 2049 }, CRED) === 0;
  }
  /** Sends what there is room for; returns the count. */
  send(bytes: Uint8Array): number {
    const uio = Uio.kernel(bytes, 0, bytes.length);
    while (uio.resid > 0 && this.socket.send(uio, null, null, CRED) !== WOULDBLOCK);
    return bytes.length - uio.resid;
  }
  /** The next whole reply; null while there is none, "end" when the server has hung up. */
  receive(): Uint8Array | null | "end" {
    for (;;) {
      const space = this.#reader.space(Math.max(1, this.socket.queued));
      let n: number;
      try {
        n = this.socket.recv(Uio.kernel(space, 0, space.length), false);
      } catch (e) {
        if (e !== ECONNRESET) throw e;
        return "end";
      }
      if (n === 0) return "end";
      if (n === WOULDBLOCK) return null;
      const message = this.#reader.filled(n);
      if (message !== null) return message;
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  let turns = 0;
  await bench.k.sched.run(() => condition() || ++turns > 20_000);
  expect(condition()).toBe(true);
}
/** Lets the kernel work for a while, sleeping included. */
async function turns(count: number): Promise<void> {
  let done = 0;
  await bench.k.sched.run(() => ++done > count);
}
/** Connects as often as there is room to wait, and sends what is no call. */
function flood(count: number): void {
  for (let i = 0; i < count; i++) {
    const wire = new Wire();
    if (wire.isConnected) wire.send(Uint8Array.of(0x80, 0));
  }
}
async function answer(wire: Wire): Promise<Uint8Array> {
  let reply: Uint8Array | null | "end" = null;
  await until(() => (reply ??= wire.receive()) !== null);
  expect(reply).not.toBe("end");
  return reply as unknown as Uint8Array;
}

let client: Client;
let top: Uint8Array;
beforeEach(() => {
  const made = new Service([]);
  ({ bench } = made);
  bench.k.inet.shutdown();
  service = new NfsService(bench.k, { port: 2049 });
  service.server.addExport({ path: "/", mapRoot: { uid: 0, gid: 0 } });
  // Handles are made without the wire, calls go over it.
  (made as { server: unknown }).server = service.server;
  client = new Client(made);
  top = client.mount("/");
});
const getattr = (): Uint8Array => client.message(100003, 3, 1, NFS3.GETATTR.args, { object: top });
const mkdir = (name: string, xid?: number): Uint8Array =>
  client.message(100003, 3, 9, NFS3.MKDIR.args, { where: { dir: top, name }, attributes: { ...UNCHANGED, mode: 0o755 } }, xid);

describe("nfsd", () => {
  it("answers in order, also to calls that come in one piece, byte by byte, or together with others", async () => {
    const [one, two] = [new Wire(), new Wire()];
    const calls = [getattr(), mkdir("a"), getattr(), mkdir("b")];
    one.send(Uint8Array.from(calls.flatMap((c) => [...marked(c)])));
    for (const byte of marked(getattr())) two.send(Uint8Array.of(byte));
    const xids = new Set<number>();
    for (const _ of calls) xids.add(readReply(await answer(one)).xid);
    expect(xids.size).toBe(4);
    expect(readReply(await answer(two)).stat).toBe(0);
    expect(client.names(top)).toEqual(expect.arrayContaining(["a", "b"]));
  });

  it("answers to changes when they have been written back, several at once", async () => {
    const { mount } = bench.k.mounts.root;
    let syncs = 0;
    mount.sync = () => void syncs++;
    const wires = Array.from({ length: 20 }, () => new Wire());
    wires.forEach((wire, i) => wire.send(marked(mkdir(`d${i}`))));
    for (const wire of wires) expect(readReply(await answer(wire)).results.uint32()).toBe(0);
    expect(syncs).toBeGreaterThan(0);
    expect(syncs).toBeLessThan(20);
  });

  it("says so when they could not be written back", async () => {
    const { EIO } = await import("../../src/sys/errno.ts");
    const { mount } = bench.k.mounts.root;
    mount.sync = () => { throw EIO; };
    const wire = new Wire();
    wire.send(marked(mkdir("d")));
    const SYSTEM_ERR = 5;
    expect(readReply(await answer(wire)).stat).toBe(SYSTEM_ERR);
  });

  it("answers and goes on when writing back meets a failure of the kernel's own", async () => {
    const { mount } = bench.k.mounts.root;
    const { sync } = mount;
    const bug = new TypeError("a bug");
    mount.sync = () => { throw bug; };
    const wire = new Wire();
    wire.send(marked(mkdir("d")));
    await expect(until(() => false)).rejects.toThrow(bug);
    mount.sync = sync;
    const SYSTEM_ERR = 5;
    expect(readReply(await answer(wire)).stat).toBe(SYSTEM_ERR);
    wire.send(marked(mkdir("e")));
    expect(readReply(await answer(wire)).results.uint32()).toBe(0);
  });

  it("serves a connection on after a call that met a failure of the kernel's own", async () => {
    const { ok } = NFS3.GETATTR;
    const { encode } = ok;
    const bug = new TypeError("a bug");
    ok.encode = () => { throw bug; };
    const wire = new Wire();
    wire.send(marked(getattr()));
    try {
      await expect(until(() => false)).rejects.toThrow(bug);
    } finally {
      ok.encode = encode;
    }
    wire.send(marked(getattr()));
    expect(readReply(await answer(wire)).results.uint32()).toBe(0);
  });

  it("gives a call that comes again over another connection the first answer", async () => {
    const [one, two] = [new Wire(), new Wire()];
    one.send(marked(mkdir("d", 99)));
    two.send(marked(mkdir("d", 99)));
    expect(await answer(one)).toEqual(await answer(two));
  });

  it("reads no more of a client that repeats a call under way than of others, and answers it all in the end", async () => {
    const MOST_WAITING = 32;
    const TIMES = 100;
    const barrier = { chan: new WaitChannel("disk"), done: false, failed: false };
    bench.k.mounts.root.mount.barriers = () => [barrier];
    const [first, again, other] = [new Wire(), new Wire(), new Wire()];
    first.send(marked(mkdir("d", 99)));
    await until(() => service.server.counts.get("MKDIR") === 1);
    const repeated = marked(mkdir("d", 99));
    for (let i = 0; i < TIMES; i++) expect(again.send(repeated)).toBe(repeated.length);
    for (let i = 0; i < TIMES; i++) {
      other.send(marked(getattr()));
      await answer(other);
    }
    expect(service.server.requests.hits).toBe(MOST_WAITING);
    barrier.done = true;
    barrier.chan.wakeup();
    const reply = await answer(first);
    expect(readReply(reply).results.uint32()).toBe(0);
    for (let i = 0; i < TIMES; i++) expect(await answer(again)).toEqual(reply);
  });

  it("hangs up on what is no call, and on what is too long", async () => {
    const wires = [new Wire(), new Wire(), new Wire()];
    wires[0]!.send(encoded(struct({ mark: uint32, a: uint32 }), { mark: 0x8000_0004, a: 1 }));
    wires[1]!.send(Uint8Array.from({ length: 100 }, (_, i) => 255 - i));
    wires[2]!.send(encoded(uint32, 0x8000_0000 + 2 * MAX_DATA));
    for (const wire of wires) await until(() => wire.receive() === "end");
    await until(() => service.connections === 0);
  });

  it("counts the memory of calls that are not whole, also when a connection ends in the turn in which they came", async () => {
    const start = (n: number): Uint8Array => Uint8Array.of(0x80, 0, 0x10, 0, ...new Uint8Array(n));
    const [slow, ended, garbled] = [new Wire(), new Wire(), new Wire()];
    slow.send(start(500));
    ended.send(start(1000));
    ended.socket.shutdown(SHUT_WR);
    // A fragment that is not the last, then the mark of one that is far too long.
    garbled.send(Uint8Array.of(0, 0, 0, 100, ...new Uint8Array(100), 0xff, 0xff, 0xff, 0xff));
    await until(() => ended.receive() === "end" && garbled.receive() === "end");
    expect(service.partialBytes).toBe(1024);
    slow.send(new Uint8Array(1000));
    // Twice what has come, for what comes next.
    await until(() => service.partialBytes === 2 * 1500);
    slow.socket.close();
    await until(() => service.connections === 0);
    expect(service.partialBytes).toBe(0);
  });

  it("holds no more than one answer for a client that does not read, and serves others", async () => {
    const file = client.create(top, "file");
    client.must("WRITE", { file, offset: 0, count: MAX_DATA, stable: 0, data: new Uint8Array(MAX_DATA) });
    const read = marked(client.message(100003, 3, 6, NFS3.READ.args, { file, offset: 0, count: MAX_DATA }));
    const lazy = new Wire();
    let sent = 0;
    for (let i = 0; i < 50; i++) sent += lazy.send(read);
    const other = new Wire();
    other.send(marked(getattr()));
    await answer(other);
    expect(service.server.counts.get("READ")).toBeLessThan(4);
    // When it reads again, it gets all it asked for.
    for (let i = 0; i < Math.floor(sent / read.length); i++) expect((await answer(lazy)).length).toBeGreaterThan(MAX_DATA);
  });

  it("lets silent connections go when there are too many, and keeps those that work", async () => {
    const worker = new Wire();
    worker.send(marked(getattr()));
    await answer(worker);
    for (let i = 0; i < 40; i++) {
      flood(50);
      await until(() => service.connections > 0);
      worker.send(marked(getattr()));
      await answer(worker);
    }
    expect(service.connections).toBeLessThanOrEqual(512);
  });

  it("gives who has come a second for the first call, whoever else wants in", async () => {
    flood(800);
    for (let i = 0; i < 20 && service.connections < 512; i++) {
      await turns(200);
      flood(800);
    }
    expect(service.connections).toBe(512);
    let newcomer = new Wire();
    while (!newcomer.isConnected) {
      await turns(200);
      newcomer = new Wire();
    }
    await turns(2000);
    const since = bench.k.nanouptime();
    while (bench.k.nanouptime() - since < 4e8) {
      flood(300);
      await turns(50);
    }
    newcomer.send(marked(getattr()));
    expect(readReply(await answer(newcomer)).stat).toBe(0);
  });
});
