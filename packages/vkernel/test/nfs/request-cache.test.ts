// SPDX-License-Identifier: BSD-3-Clause
/** Calls that come twice: what is kept, for how many, and what becomes of those whose first did not end well. */
import { describe, expect, it } from "vitest";
import { NFS3, type Nfs3Ok } from "../../src/nfs/nfs3-proto.ts";
import { RequestCache } from "../../src/nfs/request-cache.ts";
import { readReply, SYSTEM_ERR } from "../../src/nfs/rpc.ts";
import { joined, type Encoder } from "../../src/nfs/xdr.ts";
import { EIO } from "../../src/sys/errno.ts";
import { Client, Service, UNCHANGED } from "./client.ts";

const MOST_ENTRIES = 2048;
const REPLY = [Uint8Array.of(1)];

describe("the cache", () => {
  it("keeps the latest answers, however long an older call is under way", () => {
    const cache = new RequestCache();
    const slow = cache.begin("slow", 0);
    for (let i = 0; i < 2 * MOST_ENTRIES; i++) cache.finish(cache.begin(`${i}`, 0), REPLY);
    expect(cache.size).toBe(MOST_ENTRIES);
    expect(cache.find("slow", 0)).toBe(slow);
    expect(cache.find("0", 0)).toBeNull();
    expect(cache.find(`${2 * MOST_ENTRIES - 1}`, 0)!.reply).toBe(REPLY);
  });

  it("keeps no more answers when more calls than that were under way at once", () => {
    const cache = new RequestCache();
    const calls = Array.from({ length: MOST_ENTRIES + 100 }, (_, i) => cache.begin(`${i}`, 0));
    expect(cache.size).toBe(calls.length);
    for (const call of calls) cache.finish(call, REPLY);
    expect(cache.size).toBe(MOST_ENTRIES);
  });
});

describe("a call that fails when its results are encoded", () => {
  const service = new Service([{ path: "/", mapRoot: { uid: 0, gid: 0 } }]);
  const client = new Client(service);
  const top = client.mount("/");
  const mkdir = (name: string, xid: number): Uint8Array =>
    client.message(100003, 3, 9, NFS3.MKDIR.args, { where: { dir: top, name }, attributes: { ...UNCHANGED, mode: 0o755 } }, xid);

  /** Carries `f` out while MKDIR's results are encoded as usual, and then `after` is called. */
  function encoding<T>(after: () => void, f: () => T): T {
    const { ok } = NFS3.MKDIR;
    const { encode } = ok;
    ok.encode = (to: Encoder, value: Nfs3Ok<"MKDIR">): void => {
      encode(to, value);
      after();
    };
    try {
      return f();
    } finally {
      ok.encode = encode;
    }
  }

  it("is answered with the failure alone", () => {
    const reply = encoding(() => { throw EIO; }, () => service.send(mkdir("a", 1000)))!;
    const { stat, results } = readReply(reply);
    expect(stat).toBe(0);
    expect(results.uint32()).toBe(EIO.native);
    NFS3.MKDIR.fail.decode(results);
    expect(results.left).toBe(0);
  });

  it("leaves nothing behind, and those who sent it again are told, when the failure is the kernel's own", () => {
    const { requests } = service.server;
    const before = requests.size;
    const told: (readonly Uint8Array[])[] = [];
    const bug = new TypeError("a bug");
    const repeat = (): void => {
      const { value } = service.server.handle(service.lp, mkdir("b", 1001), "10.0.2.2").next();
      if (value === undefined || value === null || "pieces" in value) throw new Error("the call is not found under way");
      expect(value.reply).toBeNull();
      value.waiting.push((reply) => told.push(reply));
      throw bug;
    };
    expect(() => encoding(repeat, () => service.send(mkdir("b", 1001)))).toThrow(bug);
    expect(told.map((reply) => readReply(joined(reply)).stat)).toEqual([SYSTEM_ERR]);
    expect(requests.size).toBe(before);
    // It is carried out when it comes once more: the directory is there by now.
    const NFS3ERR_EXIST = 17;
    expect(readReply(service.send(mkdir("b", 1001))!).results.uint32()).toBe(NFS3ERR_EXIST);
  });
});
