// SPDX-License-Identifier: BSD-3-Clause
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { HostFileError } from "../src/index.ts";
import { NodePlatform } from "../src/node.ts";

const dir = mkdtempSync(path.join(tmpdir(), "hostkernel-"));
afterAll(() => rmSync(dir, { recursive: true }));
const platform = new NodePlatform();
const { files } = platform;

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (e) {
    if (e instanceof HostFileError) return e.code;
    throw e;
  }
  return "";
}

describe("Node platform", () => {
  it("names are bytes: a name that is no UTF-8 survives", () => {
    const name = "b\xe4r\xff";
    const fd = files.open(`${dir}/${name}`, { create: true, write: true, mode: 0o640 });
    expect(files.write(fd, Uint8Array.from([9, 8, 7]), 0, 3, 2)).toBe(3);
    expect(files.fstat(fd)).toMatchObject({ type: "file", size: 5, mode: 0o640, nlink: 1 });
    const buf = new Uint8Array(8);
    expect(files.read(fd, buf, 1, 7, 1)).toBe(4);
    expect([...buf]).toEqual([0, 0, 9, 8, 7, 0, 0, 0]);
    files.close(fd);
    expect(files.readdir(dir)).toEqual([{ name, type: "file" }]);
    files.rename(`${dir}/${name}`, `${dir}/x`);
    files.symlink(name, `${dir}/link`);
    expect(files.readlink(`${dir}/link`)).toBe(name);
    expect(files.lstat(`${dir}/link`).type).toBe("symlink");
    expect(codeOf(() => files.stat(`${dir}/link`))).toBe("ENOENT");
    files.unlink(`${dir}/link`);
    files.unlink(`${dir}/x`);
  });

  it("errors carry the symbolic errno", () => {
    expect(codeOf(() => files.open(`${dir}/none`, {}))).toBe("ENOENT");
    files.mkdir(`${dir}/d`, 0o755);
    expect(codeOf(() => files.mkdir(`${dir}/d`, 0o755))).toBe("EEXIST");
    expect(codeOf(() => files.unlink(`${dir}/d/x`))).toBe("ENOENT");
    files.rmdir(`${dir}/d`);
  });

  it("asynchronous calls complete from the event loop with count or error", async () => {
    const fd = files.open(`${dir}/a`, { create: true, write: true });
    const call = (start: (done: (error: HostFileError | null, count: number) => void) => void) =>
      new Promise<[string | undefined, number]>((resolve) =>
        start((error, count) => resolve([error?.code, count])),
      );
    expect(await call((done) => files.writeAsync(fd, Uint8Array.from([1, 2, 3]), 0, 3, 0, done))).toEqual([
      undefined,
      3,
    ]);
    const buf = new Uint8Array(10);
    expect(await call((done) => files.readAsync(fd, buf, 0, 10, 0, done))).toEqual([undefined, 3]);
    expect(await call((done) => files.fsyncAsync(fd, done))).toEqual([undefined, 0]);
    files.close(fd);
    expect((await call((done) => files.readAsync(9999, buf, 0, 10, 0, done)))[0]).toBe("EBADF");
  });

  it("wake() ends a sleep at once, also when it came first; a deadline ends it too", async () => {
    const start = platform.monotonicNs();
    platform.wake();
    await platform.sleep(Infinity);
    setTimeout(() => platform.wake(), 5);
    await platform.sleep(start + 60e9);
    const before = platform.monotonicNs();
    await platform.sleep(before + 10e6);
    expect(platform.monotonicNs()).toBeGreaterThanOrEqual(before + 10e6);
    expect(platform.monotonicNs() - start).toBeLessThan(30e9);
  });

  it("entropy differs from call to call", () => {
    const a = new Uint8Array(32);
    const b = new Uint8Array(32);
    platform.entropy(a);
    platform.entropy(b);
    expect(a.join()).not.toBe(b.join());
  });
});
