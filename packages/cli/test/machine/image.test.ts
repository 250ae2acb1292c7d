// SPDX-License-Identifier: BSD-3-Clause
/** The image commands, newfs_hammer, hammer and undo, as users run them. */
import { chmodSync, existsSync, linkSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { unpackTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { hammer, newfsHammer, scratch, undo, vkernel, type Result } from "./harness.ts";

const image = (...args: string[]) => vkernel(["image", ...args]);
/** Standard output as UTF-8 of a command that must succeed in silence. */
const ok = (r: Result): string => {
  expect({ status: r.status, stderr: r.stderr }).toEqual({ status: 0, stderr: "" });
  return Buffer.from(r.stdout, "latin1").toString();
};

/** A small tree with one of everything a user may have. */
function makeTree(dir: string): void {
  mkdirSync(path.join(dir, "sub/deep"), { recursive: true });
  writeFileSync(path.join(dir, "hello"), "hello\n");
  writeFileSync(path.join(dir, "sub/big"), Buffer.alloc(1_500_000, "0123456789abcdef\n"));
  writeFileSync(path.join(dir, "sub/deep/ünïcode"), "text");
  writeFileSync(path.join(dir, "empty"), "");
  linkSync(path.join(dir, "hello"), path.join(dir, "sub/hello-again"));
  symlinkSync("sub/deep", path.join(dir, "link"));
  symlinkSync("x".repeat(60), path.join(dir, "long-link"));
  chmodSync(path.join(dir, "hello"), 0o4750);
  utimesSync(path.join(dir, "hello"), 1_000_000_000.25, 1_000_000_000.25);
  utimesSync(path.join(dir, "sub"), 1_100_000_000, 1_100_000_000);
}

describe("image commands", () => {
  const dir = scratch();
  const source = path.join(dir, "tree");
  const img = path.join(dir, "disk.img");
  makeTree(source);

  it("create --from a directory; ls shows what is in it", () => {
    ok(image("create", img, "--from", source, "--size", "200m"));
    expect(ok(image("ls", img))).toBe("empty\nhello\nlink\nlong-link\nsub\n");
    const long = ok(image("ls", "-l", img));
    expect(long).toMatch(/^-rwsr-x--- 2 \d+ \d+ +6 2001-09-09T01:46:40Z hello$/m);
    expect(long).toMatch(/^drwx\S* 1 \d+ \d+ +0 2004-11-09T11:33:20Z sub$/m);
    expect(long).toMatch(/link -> sub\/deep$/m);
    expect(ok(image("ls", img, "/link"))).toBe("ünïcode\n");
    const { entries } = JSON.parse(ok(image("ls", "--json", "-R", img))) as { entries: { path: string; size: number }[] };
    expect(entries.find((e) => e.path === "/sub/big")?.size).toBe(1_500_000);
  });

  it("create refuses a size without room, naming the minimum; what does not fit says how much it needs, which then fits", () => {
    const tiny = path.join(dir, "tiny.img");
    expect(image("create", tiny, "--size", "64m")).toMatchObject({ status: 1, stderr: expect.stringMatching(/^vkernel: --size: 64m leaves no room for files \(the minimum is 96m/) as string });
    ok(image("create", tiny, "--size", "96m"));
    ok(image("cp", path.join(source, "sub/big"), `${tiny}:/`));
    const much = path.join(dir, "much"), full = path.join(dir, "full.img");
    mkdirSync(much);
    for (let i = 0; i < 40; i++) writeFileSync(path.join(much, `f${i}`), Buffer.alloc(2_000_000, i));
    for (let i = 0; i < 2000; i++) writeFileSync(path.join(much, `small${i}`), "x");
    const refused = image("create", full, "--from", much, "--size", "100m");
    expect(refused.status).toBe(1);
    const [, needed] = /does not fit into 100M \(it needs --size (\d+m)\)/.exec(refused.stderr)!;
    expect(existsSync(full)).toBe(false);
    ok(image("create", full, "--from", much, "--size", needed!));
    expect(Number.parseInt(needed!, 10)).toBeLessThan(220);
  });

  it("export gives the tree back", async () => {
    const tar = path.join(dir, "out.tar");
    ok(image("export", img, "-o", tar));
    const entries = await unpackTar(readFileSync(tar));
    const byName = new Map(entries.map((e) => [e.header.name.replace(/\/$/, ""), e]));
    expect([...byName.keys()].sort()).toEqual(
      [".", "empty", "hello", "link", "long-link", "sub", "sub/big", "sub/deep", "sub/deep/ünïcode", "sub/hello-again"].sort());
    expect(Buffer.from(byName.get("sub/big")!.data!).equals(readFileSync(path.join(source, "sub/big")))).toBe(true);
    expect(byName.get("sub/hello-again")!.header).toMatchObject({ type: "link", linkname: "hello" });
    expect(byName.get("link")!.header.linkname).toBe(readlinkSync(path.join(source, "link")));
    expect(byName.get("long-link")!.header.linkname).toBe("x".repeat(60));
    expect(byName.get("hello")!.header.mode! & 0o7777).toBe(lstatSync(path.join(source, "hello")).mode & 0o7777);

    const again = path.join(dir, "again.img");
    ok(vkernel(["image", "create", again, "--from", "-", "--size", "200m"], { input: readFileSync(tar) }));
    expect(ok(image("ls", "-lR", again))).toBe(ok(image("ls", "-lR", img)));
  });

  it("cp goes both ways, mkdir and rm work, and the past stays", () => {
    const file = path.join(dir, "motd");
    writeFileSync(file, "first\n");
    ok(image("mkdir", "-p", img, "/etc/x"));
    ok(image("cp", img, file, ":/etc/motd"));
    const tid = /last TID: +(0x[0-9a-f]{16})/.exec(ok(image("info", img)))![1]!;
    writeFileSync(file, "second\n");
    ok(image("cp", file, `${img}:/etc/motd`));
    expect(ok(image("cat", img, "/etc/motd"))).toBe("second\n");
    expect(ok(image("cat", img, `/etc/motd@@${tid}`))).toBe("first\n");
    expect(ok(image("cat", img, `/@@${tid}/etc/motd`))).toBe("first\n");
    ok(image("cp", img, `:/etc/motd@@${tid}`, path.join(dir, "old")));
    expect(readFileSync(path.join(dir, "old"), "utf8")).toBe("first\n");
    ok(image("cp", "-r", `${img}:/sub`, path.join(dir, "copied")));
    expect(readFileSync(path.join(dir, "copied/deep/ünïcode"), "utf8")).toBe("text");
    ok(image("rm", "-r", img, "/etc"));
    expect(image("cat", img, "/etc/motd")).toMatchObject({ status: 1, stderr: `vkernel: ${img}:/etc/motd: no such file or directory\n` });
    expect(ok(image("cat", img, `/@@${tid}/etc/motd`))).toBe("first\n");
  });

  it("the image is sound by the checker's account", () => {
    expect(ok(hammer(["-f", img, "-v", "show"]))).toMatch(/0 bad nodes\n0 bad elms\n0 bad records\n$/);
    expect(ok(hammer(["-f", img, "-v", "checkmap"]))).toMatch(/0 bad nodes\n0 errors\n$/);
  });

  it("errors are one line, and nothing is left behind", () => {
    expect(image("create", img)).toMatchObject({ status: 1, stderr: `vkernel: ${img}: the file exists already (--force replaces it)\n` });
    const none = path.join(dir, "none.img");
    expect(image("create", none, "--from", path.join(dir, "motd"), "--size", "200m").status).toBe(1);
    expect(() => lstatSync(none)).toThrow();
    expect(image("ls", path.join(dir, "motd")).stderr).toMatch(/^vkernel: \S+motd: \d+ bytes are too few for a HAMMER volume header\n$/);
  });
});

describe("newfs_hammer and undo", () => {
  const dir = scratch();
  const img = path.join(dir, "home.img");

  it("formats as the original does", () => {
    const r = newfsHammer(["-f", "-u", "8m", "-L", "HOME", "--size", "128m", img]);
    expect(r.status).toBe(0);
    expect(r.stderr).toBe("newfs_hammer: WARNING: You have specified an UNDO/REDO FIFO size less than   0.50GB, which may lead to VFS panics\n");
    expect(r.stdout).toContain("1 volume total size 128.00MB\n");
    expect(r.stdout).toContain("undo-buffer-size:      8.00MB\ntotal-pre-allocated:  24.00MB\n");
    expect(newfsHammer(["-L", "HOME", img]).stderr).toBe(`newfs_hammer: ${img}: holds a HAMMER file system (-f formats it all the same)\n`);
  });

  it("undo finds earlier versions, also of a removed file", () => {
    const file = path.join(dir, "notes");
    for (const text of ["one\n", "one\ntwo\n"]) {
      writeFileSync(file, text);
      ok(image("cp", img, file, ":/notes"));
    }
    const versions = (...args: string[]) => ok(undo(["-f", img, ...args]));
    expect(versions("-i", "notes").trim().split("\n").length).toBeGreaterThanOrEqual(3);
    expect(versions("notes")).toContain("\none\n");
    expect(versions("-d", "notes")).toContain("\n one\n+two\n");
    ok(image("rm", img, "/notes"));
    expect(versions("-i", "notes")).toContain("file-deleted");
    expect(versions("-t", "1", "-o", "-", "notes")).toBe("one\ntwo\n");
  });
});
