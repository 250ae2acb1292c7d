// SPDX-License-Identifier: BSD-3-Clause
/** The image commands, newfs_hammer, hammer and undo, as users run them. */
import { createHash } from "node:crypto";
import {
  chmodSync, closeSync, existsSync, ftruncateSync, linkSync, lstatSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, utimesSync,
  writeFileSync, writeSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { unpackTar } from "modern-tar";
import { describe, expect, it } from "vitest";
import { checkout, hammer, newfsHammer, scratch, undo, vkernel, type Result } from "./harness.ts";

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

const genuine = path.join(checkout, "../shared/fixtures/hammer-real/basic-v7.img.gz");
const HAS_TAR = spawnSync("tar", ["--version"]).stdout?.toString().includes("GNU tar") ?? false;

describe.skipIf(!HAS_TAR)("tar (needs GNU tar)", () => {
  const dir = scratch();
  const tar = (...args: string[]): string => {
    const r = spawnSync("tar", args, { cwd: dir, env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" }, maxBuffer: 1 << 28 });
    expect({ status: r.status, stderr: r.stderr.toString("latin1") }).toEqual({ status: 0, stderr: "" });
    return r.stdout.toString("latin1");
  };
  const listing = (img: string): string => ok(image("ls", "--json", "-R", img)).replaceAll(/ +"objId": .*\n/g, "");

  it.skipIf(!existsSync(genuine))("a genuine image goes out and in again: every name, type, device, link, mode, owner and time (needs shared/fixtures)", () => {
    const img = path.join(dir, "genuine.img"), back = path.join(dir, "back.img"), file = path.join(dir, "genuine.tar");
    writeFileSync(img, gunzipSync(readFileSync(genuine)));
    const out = image("export", img, "-o", file);
    expect(out).toMatchObject({ status: 0, stderr: `vkernel: ${img}: left out of the archive: dev/sock: a socket\n` });
    const shown = tar("-tvf", file, "--numeric-owner");
    expect(shown).toMatch(/^c\S+ \d+\/\d+ +\d+,\d+ .* dev\/null$/m);
    expect(shown).toMatch(/^b\S+ .* dev\/disk$/m);
    expect(shown).toMatch(/^p\S+ .* dev\/pipe$/m);
    ok(image("create", back, "--from", file, "--size", "512m"));
    ok(image("rm", img, "/dev/sock"));
    // Removing the socket has changed dev itself.
    const normal = (text: string): string => text.replaceAll(/(?<="path": "\/dev",\n(?:.*\n){6} +"mtime": ).*/g, "");
    expect(normal(listing(back))).toBe(normal(listing(img)));
    expect(ok(hammer(["-f", back, "-v", "show"]))).toMatch(/0 bad nodes\n0 bad elms\n0 bad records\n$/);
  });

  it.each(["gnu", "posix", "ustar", "v7"])("archives of GNU tar in the %s format", (format) => {
    const tree = path.join(dir, `tree-${format}`);
    const long = format === "v7" ? "short" : `${"directory/".repeat(format === "ustar" ? 12 : 30)}${"f".repeat(90)}`;
    mkdirSync(path.join(tree, path.dirname(long)), { recursive: true });
    writeFileSync(path.join(tree, long), "long name");
    writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0x6e, 0xff, 0xfe, 0x0a, 0x78])]), "no UTF-8");
    writeFileSync(path.join(tree, "ünïcode"), Buffer.alloc(70_000, 7));
    linkSync(path.join(tree, "ünïcode"), path.join(tree, "again"));
    symlinkSync("t".repeat(format === "gnu" || format === "posix" ? 200 : 90), path.join(tree, "link"));
    utimesSync(path.join(tree, "ünïcode"), 1_234_567_890.5, 1_234_567_890.25);
    const file = path.join(dir, `${format}.tar`), img = path.join(dir, `${format}.img`), direct = path.join(dir, `${format}-direct.img`);
    tar("-cf", file, `--format=${format}`, "-C", tree, ".");
    ok(image("create", img, "--from", file, "--size", "128m"));
    ok(image("create", direct, "--from", tree, "--size", "128m"));
    const whole = (text: string): string => (format === "posix" ? text : text.replaceAll(/(\d\d)\.\d+Z/g, "$1Z")).replaceAll(/\.(\d{3})\d*Z/g, ".$1Z");
    expect(whole(listing(img))).toBe(whole(listing(direct)));
    expect(ok(image("cat", img, `/${long}`))).toBe("long name");
    // And what we write of it, GNU tar unpacks to the same.
    const unpacked = path.join(dir, `unpacked-${format}`), ours = path.join(dir, `${format}-ours.tar`);
    mkdirSync(unpacked);
    ok(image("export", direct, "-o", ours));
    tar("-xf", ours, "-C", unpacked);
    expect(spawnSync("diff", ["-r", "--no-dereference", tree, unpacked]).stdout.toString()).toBe("");
    expect(lstatSync(path.join(unpacked, "again")).ino).toBe(lstatSync(path.join(unpacked, "ünïcode")).ino);
    expect(lstatSync(path.join(unpacked, "ünïcode")).mtimeMs).toBe(1_234_567_890_250);
  });

  it.each([["gnu"], ["posix", "--sparse-version=0.0"], ["posix", "--sparse-version=0.1"], ["posix", "--sparse-version=1.0"]])("sparse files in the %s format %s", (format, ...options) => {
    const tree = path.join(dir, "sparse"), file = path.join(dir, "sparse.tar"), img = path.join(dir, "sparse.img");
    rmSync(tree, { recursive: true, force: true });
    mkdirSync(tree);
    const make = (name: string, size: number, parts: number, every: number): void => {
      const fd = openSync(path.join(tree, name), "w");
      for (let i = 0; i < parts; i++) writeSync(fd, Buffer.alloc(4096, i + 1), 0, 4096, i * every);
      ftruncateSync(fd, size);
      closeSync(fd);
    };
    make("few parts", 20_000_000, 3, 5_000_000);
    make("many parts, the last at the end", 99 * 65_536 + 4096, 100, 65_536);
    make("nothing but a hole", 3_000_000, 0, 0);
    writeFileSync(path.join(tree, "whole"), "not sparse");
    tar("-cf", file, "--sparse", `--format=${format}`, ...options, "-C", tree, ".");
    expect(lstatSync(file).size).toBeLessThan(2_000_000);
    ok(image("create", img, "--force", "--from", file, "--size", "256m"));
    const hash = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
    for (const name of readdirSync(tree))
      expect(hash(Buffer.from(image("cat", img, `/${name}`).stdout, "latin1")), name).toBe(hash(readFileSync(path.join(tree, name))));
    expect(ok(image("ls", img)).split("\n").filter((name) => name !== "").sort()).toEqual(readdirSync(tree).sort());
    if (format === "gnu") return;
    // A map of more than is stored.
    const bytes = readFileSync(file);
    const at = bytes.indexOf("4096", bytes.indexOf(options[0] === "--sparse-version=0.0" ? "GNU.sparse.numbytes=4096" : options[0] === "--sparse-version=0.1" ? "GNU.sparse.map=0,4096" : "\n4096\n"));
    bytes.write("4097", at, "latin1");
    writeFileSync(file, bytes);
    expect(image("create", img, "--force", "--from", file, "--size", "256m")).toMatchObject({ status: 1, stderr: expect.stringMatching(/^vkernel: the archive: has a sparse file whose map is wrong at byte \d+\n$/) as string });
  });

  it("layers: whiteouts remove what the layers before had", () => {
    const lower = path.join(dir, "lower"), upper = path.join(dir, "upper"), img = path.join(dir, "layers.img");
    for (const name of ["etc", "opt/a", "opt/b", "keep"]) mkdirSync(path.join(lower, name), { recursive: true });
    for (const name of ["etc/one", "etc/two", "opt/a/x", "keep/y"]) writeFileSync(path.join(lower, name), name);
    for (const name of ["etc", "opt"]) mkdirSync(path.join(upper, name), { recursive: true });
    writeFileSync(path.join(upper, "etc/.wh.one"), "");
    writeFileSync(path.join(upper, "opt/.wh..wh..opq"), "");
    writeFileSync(path.join(upper, "opt/new"), "new");
    tar("-cf", "lower.tar", "-C", lower, ".");
    tar("-czf", "upper.tgz", "-C", upper, ".");
    ok(image("create", img, "--from", path.join(dir, "lower.tar"), "--from", path.join(dir, "upper.tgz"), "--size", "128m"));
    expect(ok(image("ls", "-R", img))).toBe("/:\netc\nkeep\nopt\n\n/etc:\ntwo\n\n/keep:\ny\n\n/opt:\nnew\n");
  });

  it("extended attributes come out of an archive and go into one", () => {
    const file = path.join(dir, "attributes.tar"), img = path.join(dir, "attributes.img"), out = path.join(dir, "attributes.out");
    writeFileSync(path.join(dir, "noted"), "x");
    tar("-cf", file, "--format=posix", "--pax-option=SCHILY.xattr.user.note:=hello,SCHILY.xattr.user.a%b:=\u00e9", "noted");
    ok(image("create", img, "--from", file, "--size", "128m"));
    ok(image("export", img, "/", "-o", out));
    const records = readFileSync(out, "utf8").match(/\d+ SCHILY[^\n]*\n/g)!;
    expect(records).toEqual(["30 SCHILY.xattr.user.a%25b=\u00e9\n", "32 SCHILY.xattr.user.note=hello\n"]);
  });

  it("what cannot be kept is said; damaged archives are refused, naming the place", () => {
    const file = path.join(dir, "odd.tar"), img = path.join(dir, "odd.img");
    writeFileSync(path.join(dir, "plain"), "x".repeat(2000));
    tar("-cf", file, "--format=posix", "--pax-option=SCHILY.acl.access:=user::rw-", "plain");
    expect(image("create", img, "--from", file, "--size", "128m")).toMatchObject({
      status: 0, stderr: `vkernel: ${img}: left out: access control lists (1): HAMMER cannot hold them\n`,
    });
    const bytes = readFileSync(file);
    const bad = (b: Buffer): Result => image("create", path.join(dir, "bad.img"), "--size", "128m", "--from", (writeFileSync(path.join(dir, "bad.tar"), b), path.join(dir, "bad.tar")));
    const flipped = Buffer.from(bytes);
    flipped[10]! ^= 1;
    expect(bad(flipped)).toMatchObject({ status: 1, stderr: expect.stringMatching(/wrong checksum.* at byte 512/) as string });
    expect(bad(bytes.subarray(0, 2000))).toMatchObject({ status: 1, stderr: expect.stringMatching(/is cut short at byte \d+/) as string });
    expect(existsSync(path.join(dir, "bad.img"))).toBe(false);
    tar("-cf", "dots.tar", "--transform=s,plain,../plain,", "-P", "plain");
    expect(image("create", path.join(dir, "bad.img"), "--size", "128m", "--from", path.join(dir, "dots.tar")).stderr).toContain("'..' in it");
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

  const historyImage = path.join(checkout, "../shared/fixtures/hammer-real/history-v7.img.gz");
  describe.skipIf(!existsSync(historyImage))("undo on a genuine image (needs shared/fixtures)", () => {
    const old = path.join(dir, "history.img");
    const manifest = existsSync(historyImage) ? JSON.parse(gunzipSync(readFileSync(historyImage.replace(".img.", ".json."))).toString()) as { history: { tid: string; entries: { path: string; type: string; sha256?: string }[] }[] } : { history: [] };
    const run = (...args: string[]): string => ok(undo(["-f", old, ...args], { cwd: dir }));
    const sha = (b: Uint8Array): string => createHash("sha256").update(b).digest("hex");

    it("gives every version of every file that the manifest has, deleted ones, too", () => {
      writeFileSync(old, gunzipSync(readFileSync(historyImage)));
      const states = [manifest.history[3]!, manifest.history.at(-2)!];
      let checked = 0;
      for (const state of states)
        for (const e of state.entries.filter((x) => x.type === "file").slice(0, 6)) {
          ok(undo(["-f", old, "-t", state.tid, "-o", path.join(dir, "version"), `/${e.path}`]));
          expect(sha(readFileSync(path.join(dir, "version"))), `${e.path} as of ${state.tid}`).toBe(e.sha256);
          checked++;
        }
      expect(checked).toBeGreaterThan(8);
    });

    it("-i, --json: versions of a file, newest last; -a -u and -a -o number them", () => {
      const listed = [...run("-i", "/big").matchAll(/^\t(0x[0-9a-f]{16}) .*$/gm)].map((m) => m[1]);
      const { files } = JSON.parse(run("--json", "/big")) as { files: { versions: { tid: string; index: number }[] }[] };
      expect(files[0]!.versions.map((v) => v.tid)).toEqual(listed);
      expect(files[0]!.versions.at(-1)!.index).toBe(0);
      run("-a", "-u", "/big");
      run("-a", "-o", "numbered", "/big");
      const first = manifest.history.find((h) => BigInt(h.tid) >= BigInt(listed[0]!) && h.entries.some((e) => e.path === "big"))!;
      expect(existsSync(path.join(dir, "big.undo.0000"))).toBe(true);
      expect(sha(readFileSync(path.join(dir, "numbered.0000")))).toBe(sha(readFileSync(path.join(dir, "big.undo.0000"))));
      const last = listed.length - 1;
      expect(sha(readFileSync(path.join(dir, `big.undo.${String(last).padStart(4, "0")}`)))).toBe(manifest.history.at(-1)!.entries.find((e) => e.path === "big")?.sha256);
      expect(first).toBeDefined();
    });

    it("directories: what changed between two points in them", () => {
      const [a, b] = [manifest.history[2]!, manifest.history[6]!];
      const out = run("-t", a.tid, "-t", b.tid, "-d", "/");
      const files = (s: typeof a): Map<string, string> => new Map(s.entries.filter((e) => e.type === "file").map((e) => [e.path, e.sha256!]));
      const before = files(a), after = files(b);
      const changed = [...new Set([...before.keys(), ...after.keys()])].filter((p) => before.get(p) !== after.get(p));
      expect(changed.length).toBeGreaterThan(0);
      for (const p of changed) expect(out).toContain(`/${p}`);
      expect(run("-t", a.tid, "-t", a.tid, "-d", "/").split("\n").length).toBe(2);
    });

    it("templates, and what cannot be combined", () => {
      run("-o", "%s.was", "-t", "1", "/big", "/big");
      expect(existsSync(path.join(dir, "big.was"))).toBe(true);
      for (const bad of ["%d", "%s%s", "x%"]) expect(undo(["-f", old, "-o", bad, "/big", "/big"])).toMatchObject({ status: 1, stderr: expect.stringContaining("Malformed output template") as string });
      expect(undo(["-f", old, "-i", "-d", "/big"]).status).toBe(1);
      expect(undo(["-f", old, "-o", "x", "-u", "/big"]).status).toBe(1);
      expect(undo(["-f", old, "-t", "999", "/big"])).toMatchObject({ status: 1, stderr: expect.stringContaining("there are only") as string });
    });
  });
});
