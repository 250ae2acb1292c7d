// SPDX-License-Identifier: BSD-3-Clause
/**
 * A small NFS version 3 client for load tests, written from RFC 1813 and RFC 5531 alone, so that it shares no mistake with the
 * server: one connection, calls that may be under way at once.
 */
import { connect } from "node:net";

const words = (...values) => {
  const b = Buffer.alloc(4 * values.length);
  values.forEach((v, i) => b.writeUInt32BE(v >>> 0, 4 * i));
  return b;
};
const opaque = (bytes) => Buffer.concat([words(bytes.length), bytes, Buffer.alloc(-bytes.length & 3)]);
const text = (s) => opaque(Buffer.from(s));
const size = (n) => words(Math.floor(n / 2 ** 32), n % 2 ** 32);
/** sattr3 with a mode and nothing else. */
const attributes = (mode) => words(1, mode, 0, 0, 0, 0, 0);

const NFS = 100003;
const MOUNT = 100005;

export class NfsClient {
  #socket;
  #held = Buffer.alloc(0);
  #waiting = new Map();
  #xid;

  constructor(socket, xid) {
    this.#socket = socket;
    this.#xid = xid;
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the connection has ended"));
      this.#waiting.clear();
    });
    socket.on("error", () => {});
  }
  /** Connects; `xid` is the number of the first call. */
  static open(port, xid) {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port }, () => resolve(new NfsClient(socket, xid)));
      socket.once("error", reject);
    });
  }
  close() {
    this.#socket.destroy();
  }

  #receive(bytes) {
    this.#held = Buffer.concat([this.#held, bytes]);
    while (this.#held.length >= 4) {
      const length = this.#held.readUInt32BE() & 0x7fff_ffff;
      if (this.#held.length < 4 + length) return;
      const reply = this.#held.subarray(4, 4 + length);
      this.#held = this.#held.subarray(4 + length);
      const call = this.#waiting.get(reply.readUInt32BE());
      this.#waiting.delete(reply.readUInt32BE());
      // xid, reply, accepted, verifier (none), success
      if (reply.readUInt32BE(8) !== 0 || reply.readUInt32BE(20) !== 0) call?.reject(new Error("the call was not accepted"));
      else call?.resolve(reply.subarray(24));
    }
  }

  call(prog, proc, args) {
    // Who ended the connection while nothing was under way told nobody.
    if (this.#socket.destroyed) return Promise.reject(new Error("the connection has ended"));
    const xid = this.#xid++ >>> 0;
    const cred = Buffer.concat([words(0), text("load"), words(0, 0, 0)]);
    const body = Buffer.concat([words(xid, 0, 2, prog, 3, proc, 1), opaque(cred), words(0, 0), args]);
    this.#socket.write(Buffer.concat([words(0x8000_0000 + body.length), body]));
    return new Promise((resolve, reject) => this.#waiting.set(xid, { resolve, reject }));
  }
  /** A procedure of NFS; throws its status when it is not 0. */
  async nfs(proc, args) {
    const reply = await this.call(NFS, proc, args);
    const status = reply.readUInt32BE();
    if (status !== 0) throw Object.assign(new Error(`nfsstat3 ${status}`), { status });
    return reply.subarray(4);
  }

  async mount(path) {
    const reply = await this.call(MOUNT, 1, text(path));
    if (reply.readUInt32BE() !== 0) throw new Error(`MNT of ${path}: ${reply.readUInt32BE()}`);
    return Buffer.from(reply.subarray(8, 8 + reply.readUInt32BE(4)));
  }
  async lookup(dir, name) {
    const reply = await this.nfs(3, Buffer.concat([opaque(dir), text(name)]));
    return Buffer.from(reply.subarray(4, 4 + reply.readUInt32BE()));
  }
  /** Makes a file or directory; what is there already is taken. */
  async #make(proc, dir, name, how) {
    try {
      const reply = await this.nfs(proc, Buffer.concat([opaque(dir), text(name), how]));
      return Buffer.from(reply.subarray(8, 8 + reply.readUInt32BE(4)));
    } catch (error) {
      if (error.status !== 17) throw error;
      return this.lookup(dir, name);
    }
  }
  create(dir, name) {
    return this.#make(8, dir, name, Buffer.concat([words(0), attributes(0o644)]));
  }
  mkdir(dir, name) {
    return this.#make(9, dir, name, attributes(0o755));
  }
  /** stable: 0 unstable, 2 on stable storage. Resolves to the write verifier, as text. */
  async write(file, offset, data, stable) {
    const reply = await this.nfs(7, Buffer.concat([opaque(file), size(offset), words(data.length, stable), opaque(data)]));
    return reply.subarray(-8).toString("hex");
  }
  async commit(file) {
    const reply = await this.nfs(21, Buffer.concat([opaque(file), size(0), words(0)]));
    return reply.subarray(-8).toString("hex");
  }
  async read(file, offset, count) {
    const reply = await this.nfs(6, Buffer.concat([opaque(file), size(offset), words(count)]));
    const at = reply.readUInt32BE() === 1 ? 88 : 4;
    return reply.subarray(at + 12, at + 12 + reply.readUInt32BE(at + 8));
  }
}
