// SPDX-License-Identifier: BSD-3-Clause
/** hammer mirror-*, as users run it: files, pipes, image to image. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { hammer, newfsHammer, scratch, vkernel, type Result } from "./harness.ts";

const ok = (r: Result): string => {
  expect(r.status, r.stderr).toBe(0);
  return r.stdout;
};

describe("mirroring between images", () => {
  const dir = scratch();
  const source = path.join(dir, "source.img"), target = path.join(dir, "target.img");
  const put = (text: string, name: string): void => {
    const file = path.join(dir, "file");
    writeFileSync(file, text);
    ok(vkernel(["image", "cp", file, `${source}:${name}`]));
  };
  const cat = (name: string): string => ok(vkernel(["image", "cat", target, name]));
  ok(newfsHammer(["-f", "-L", "A", "-u", "8m", "--size", "256m", source]));
  ok(newfsHammer(["-f", "-L", "B", "-u", "8m", "--size", "256m", target]));

  it("mirror-read to a file, mirror-dump of it, mirror-write makes the slave with -y; then what changed", () => {
    put("first\n", "/note");
    const stream = path.join(dir, "full.mirror");
    writeFileSync(stream, Buffer.from(ok(hammer(["-f", source, "mirror-read", "/"])), "latin1"));
    const bytes = readFileSync(stream);
    expect(ok(hammer(["mirror-dump"], { input: bytes }))).toMatch(/^Record lo=00000001 obj=0000000000000001 key=.* rt=01 ot=01\n {7}tids [0-9a-f]{16}:0{16} data=128$/m);
    expect(ok(hammer(["mirror-dump", "header"], { input: bytes }))).toMatch(/^ {4}sync-beg-tid=0x[0-9a-f]{16}\n[^]*operating as a MASTER\n$/);
    const refused = hammer(["-f", target, "mirror-write", "/slave"], { input: bytes });
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("does not exist") as string });
    const out = ok(hammer(["-f", target, "-y", "mirror-write", "/slave"], { input: bytes }));
    const [, synced] = /^Source can update synctid to (0x[0-9a-f]{16})\n$/.exec(out)!;
    expect(cat("/slave/note")).toBe("first\n");
    put("second\n", "/note");
    const changes = Buffer.from(ok(hammer(["-f", source, "mirror-read", "/", (BigInt(synced!) + 1n).toString(16)])), "latin1");
    ok(hammer(["-f", target, "mirror-write", "/slave"], { input: changes }));
    expect(cat("/slave/note")).toBe("second\n");
    expect(cat(`/@@${synced}:00001/note`)).toBe("first\n");
    expect(ok(hammer(["-f", target, "checkmap"]))).not.toMatch(/^B/m);
  });

  it("mirror-copy goes on where the slave is; a second time there is nothing to do", () => {
    put("third\n", "/note");
    const pass = (): { idle: boolean; inserted: string } =>
      (JSON.parse(ok(hammer(["-f", source, "mirror-copy", "--to", target, "--json", "/", "/slave"]))) as { pass: { idle: boolean; inserted: string } }).pass;
    expect(pass().idle).toBe(false);
    expect(cat("/slave/note")).toBe("third\n");
    expect(pass()).toMatchObject({ inserted: 0 });
  });

  it("within one image; mirror-stream ends by -t", () => {
    ok(hammer(["-f", source, "pfs-master", "/master"]));
    put("in a PFS\n", "/master/x");
    ok(hammer(["-f", source, "-y", "mirror-copy", "/master", "/copy"]));
    expect(ok(vkernel(["image", "cat", source, "/copy/x"]))).toBe("in a PFS\n");
    put("changed\n", "/master/x");
    ok(hammer(["-f", source, "-t", "1", "mirror-stream", "--delay", "1", "/master", "/copy"]));
    expect(ok(vkernel(["image", "cat", source, "/copy/x"]))).toBe("changed\n");
  });

  it("a damaged stream is refused at its record, a cut one says that it can be resumed", () => {
    put("fourth\n", "/note");
    const stream = Buffer.from(ok(hammer(["-f", source, "mirror-read", "/"])), "latin1");
    const cut = hammer(["-f", target, "mirror-write", "/slave"], { input: stream.subarray(0, stream.length - 100) });
    expect(cut).toMatchObject({ status: 1, stdout: "", stderr: expect.stringMatching(/record \d+ at byte \d+ .*cut short; mirroring can be resumed/) as string });
    const damaged = Buffer.from(stream);
    damaged[1000]! ^= 1;
    expect(hammer(["-f", target, "mirror-write", "/slave"], { input: damaged })).toMatchObject({
      status: 1, stdout: "", stderr: expect.stringMatching(/^hammer: mirror stream: record \d+ at byte \d+ fails its CRC/) as string,
    });
    expect(cat("/slave/note")).toBe("third\n");
    ok(hammer(["-f", target, "mirror-write", "/slave"], { input: stream }));
    expect(cat("/slave/note")).toBe("fourth\n");
    expect(hammer(["-f", source, "mirror-write", "/"], { input: stream })).toMatchObject({ status: 1, stderr: expect.stringContaining("master") as string });
    expect(hammer(["-f", target, "mirror-write", "/slave"], { input: "not a stream, not at all, never" })).toMatchObject({ status: 1, stderr: expect.stringContaining("no mirror stream") as string });
  });
});
