// SPDX-License-Identifier: BSD-3-Clause
/**
 * Random calls against a model: a tree of plain objects that does what RFC 1813 says. Statuses, contents, listings and link
 * counts must be the same after each call. VKERNEL_NFS_SEED and VKERNEL_NFS_STEPS choose what is run.
 */
import { describe, expect, it } from "vitest";
import { dirpath, mapping } from "../../src/nfs/mount-proto.ts";
import { NFS3 } from "../../src/nfs/nfs3-proto.ts";
import { Client, Service, UNCHANGED } from "./client.ts";

const NOENT = 2, EXIST = 17, NOTDIR = 20, ISDIR = 21, NOTEMPTY = 66, PERM = 1, INVAL = 22;
const SEED = Number(process.env["VKERNEL_NFS_SEED"] ?? 1);
const STEPS = Number(process.env["VKERNEL_NFS_STEPS"] ?? 3000);

/** mulberry32 */
function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface FileNode { kind: "file"; text: string; links: number; handle: Uint8Array }
interface DirNode { kind: "dir"; entries: Map<string, Node>; handle: Uint8Array }
type Node = FileNode | DirNode;

const contains = (dir: Node, other: Node): boolean =>
  dir === other || (dir.kind === "dir" && [...dir.entries.values()].some((n) => contains(n, other)));

class Model {
  readonly client: Client;
  readonly random: (below: number) => number;
  readonly root: DirNode;
  constructor(seed: number) {
    this.random = randomSource(seed);
    this.client = new Client(new Service([{ path: "/", mapRoot: { uid: 0, gid: 0 } }]));
    this.root = { kind: "dir", entries: new Map(), handle: this.client.mount("/") };
  }

  dirs(): DirNode[] {
    const all: DirNode[] = [];
    const walk = (dir: DirNode): void => {
      all.push(dir);
      for (const n of dir.entries.values()) if (n.kind === "dir") walk(n);
    };
    walk(this.root);
    return all;
  }
  someDir(): DirNode {
    const all = this.dirs();
    return all[this.random(all.length)]!;
  }
  name(): string {
    return `n${this.random(6)}`;
  }
  someFile(): FileNode | null {
    const all = this.dirs().flatMap((d) => [...d.entries.values()]).filter((n) => n.kind === "file");
    return all.length === 0 ? null : all[this.random(all.length)]!;
  }

  create(): void {
    const dir = this.someDir();
    const name = this.name();
    const answer = this.client.call("CREATE", { where: { dir: dir.handle, name }, how: { kind: 1, value: { ...UNCHANGED, mode: 0o644 } } });
    expect(answer.status).toBe(dir.entries.has(name) ? EXIST : 0);
    if ("ok" in answer) dir.entries.set(name, { kind: "file", text: "", links: 1, handle: answer.ok.object! });
  }
  mkdir(): void {
    const dir = this.someDir();
    const name = this.name();
    const answer = this.client.call("MKDIR", { where: { dir: dir.handle, name }, attributes: { ...UNCHANGED, mode: 0o755 } });
    expect(answer.status).toBe(dir.entries.has(name) ? EXIST : 0);
    if ("ok" in answer) dir.entries.set(name, { kind: "dir", entries: new Map(), handle: answer.ok.object! });
  }
  remove(): void {
    const dir = this.someDir();
    const name = this.name();
    const there = dir.entries.get(name);
    const status = this.client.status("REMOVE", { what: { dir: dir.handle, name } });
    if (there === undefined) expect(status).toBe(NOENT);
    else if (there.kind === "dir") expect([ISDIR, PERM]).toContain(status);
    else {
      expect(status).toBe(0);
      there.links--;
      dir.entries.delete(name);
    }
  }
  rmdir(): void {
    const dir = this.someDir();
    const name = this.name();
    const there = dir.entries.get(name);
    const status = this.client.status("RMDIR", { what: { dir: dir.handle, name } });
    const expected = there === undefined ? NOENT : there.kind !== "dir" ? NOTDIR : there.entries.size > 0 ? NOTEMPTY : 0;
    expect(status).toBe(expected);
    if (status === 0) dir.entries.delete(name);
  }
  rename(): void {
    const [from, to] = [this.someDir(), this.someDir()];
    const [name, toName] = [this.name(), this.name()];
    const node = from.entries.get(name);
    const target = to.entries.get(toName);
    const status = this.client.status("RENAME", { from: { dir: from.handle, name }, to: { dir: to.handle, name: toName } });
    if (node === undefined) expect(status).toBe(NOENT);
    else if (node === target) expect(status).toBe(0);
    else if (node.kind === "dir" && contains(node, to)) expect(status).toBe(INVAL);
    else if (target !== undefined && node.kind === "dir" && target.kind === "file") expect(status).toBe(NOTDIR);
    else if (target !== undefined && node.kind === "file" && target.kind === "dir") expect(status).toBe(ISDIR);
    else if (target?.kind === "dir" && target.entries.size > 0) expect(status).toBe(NOTEMPTY);
    else {
      expect(status).toBe(0);
      if (target?.kind === "file") target.links--;
      from.entries.delete(name);
      to.entries.set(toName, node);
    }
  }
  link(): void {
    const file = this.someFile();
    if (file === null) return;
    const dir = this.someDir();
    const name = this.name();
    const status = this.client.status("LINK", { file: file.handle, where: { dir: dir.handle, name } });
    expect(status).toBe(dir.entries.has(name) ? EXIST : 0);
    if (status !== 0) return;
    file.links++;
    dir.entries.set(name, file);
  }
  write(): void {
    const file = this.someFile();
    if (file === null) return;
    const offset = this.random(9000);
    const text = String.fromCharCode(65 + this.random(26)).repeat(1 + this.random(9000));
    this.client.write(file.handle, offset, text, this.random(3));
    file.text = file.text.padEnd(offset, "\0").slice(0, offset) + text + file.text.slice(offset + text.length);
  }
  truncate(): void {
    const file = this.someFile();
    if (file === null) return;
    const size = this.random(12_000);
    this.client.must("SETATTR", { object: file.handle, changes: { ...UNCHANGED, size }, guard: null });
    file.text = file.text.slice(0, size).padEnd(size, "\0");
  }

  check(): void {
    const dir = this.someDir();
    const listed = this.client.names(dir.handle, 200 + this.random(800));
    expect(listed.toSorted()).toEqual([".", "..", ...dir.entries.keys()].toSorted());
    for (const [name, node] of dir.entries) expect(this.client.lookup(dir.handle, name)).toEqual(node.handle);
    const file = this.someFile();
    if (file === null) return;
    const { attributes } = this.client.must("GETATTR", { object: file.handle });
    expect([attributes.size, attributes.nlink]).toEqual([file.text.length, file.links]);
    expect(this.client.read(file.handle)).toBe(file.text);
  }
}

describe("random calls", () => {
  it(`do what a model does, seed ${SEED}, ${STEPS} steps`, () => {
    const model = new Model(SEED);
    const steps = [
      () => model.create(), () => model.create(), () => model.mkdir(), () => model.remove(), () => model.rmdir(), () => model.rename(),
      () => model.link(), () => model.write(), () => model.write(), () => model.truncate(),
    ];
    for (let i = 0; i < STEPS; i++) {
      steps[model.random(steps.length)]!();
      model.check();
    }
  });

  it(`of garbage harm nothing, seed ${SEED}`, () => {
    const model = new Model(SEED);
    for (let i = 0; i < 30; i++) model.create();
    const { client, random } = model;
    const { service } = client;
    const calls = [
      client.message(100003, 3, 3, NFS3.LOOKUP.args, { what: { dir: model.root.handle, name: "n1" } }),
      client.message(100003, 3, 8, NFS3.CREATE.args, { where: { dir: model.root.handle, name: "n1" }, how: { kind: 1, value: UNCHANGED } }),
      client.message(100003, 3, 17, NFS3.READDIRPLUS.args, { dir: model.root.handle, cookie: 0n, verifier: new Uint8Array(8), dircount: 999, maxcount: 9999 }),
      client.message(100005, 3, 1, dirpath, "/"),
      client.message(100000, 2, 3, mapping, { prog: 100003, vers: 3, prot: 6, port: 0 }),
    ];
    for (let i = 0; i < 4 * STEPS; i++) {
      const message = calls[random(calls.length)]!.slice(0, random(3) === 0 ? random(200) : undefined);
      for (let n = random(4); n > 0; n--) if (message.length > 0) message[random(message.length)] = random(256);
      const reply = service.send(message);
      // What is no call gets no answer; any other answer has the number of the call.
      if (reply !== null) expect(reply.slice(0, 4)).toEqual(message.slice(0, 4));
    }
    for (let i = 0; i < 100; i++) service.send(Uint8Array.from({ length: random(300) }, () => random(256)));
    expect(client.names(model.root.handle).length).toBeGreaterThan(5);
  });
});
