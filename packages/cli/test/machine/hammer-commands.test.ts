// SPDX-License-Identifier: BSD-3-Clause
/** The commands of hammer(8) that look, recover and strip, as users run them, on genuine images where they are at hand. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, copyFileSync, existsSync, lstatSync, openSync, readFileSync, readdirSync, readlinkSync, readSync, writeSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkout, hammer, newfsHammer, scratch, vkernel, type Result } from "./harness.ts";

const fixtures = path.join(checkout, "../shared/fixtures");
const missing = !existsSync(path.join(fixtures, "hammer-real"));
const dir = scratch();

function ok(r: Result): string {
  expect({ status: r.status, stderr: r.stderr }).toEqual({ status: 0, stderr: "" });
  return r.stdout;
}

const $unpacked = new Map<string, string>();

/** A copy of a genuine image in the scratch folder. */
function image(set: string, name: string): string {
  const packed = path.join(fixtures, set, `${name}.img.gz`);
  let file = $unpacked.get(packed);
  if (file === undefined) {
    file = path.join(dir, `${name}.genuine`);
    writeFileSync(file, gunzipSync(readFileSync(packed)));
    $unpacked.set(packed, file);
  }
  const copy = path.join(dir, `${name}.${$unpacked.size}.img`);
  copyFileSync(file, copy);
  return copy;
}

function overwrite(file: string, at: number, length: number): void {
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.alloc(length), 0, length, at);
  closeSync(fd);
}

interface Entry {
  path?: string; path_hex?: string; type: string; mode: string; uid: number; gid: number; rdev?: [number, number]; size: number; nlink: number; objid: string; target?: string; target_hex?: string; sha256?: string; mtime_us: number;
}

/** Differences between a directory of the host and a manifest. */
function compare(root: string, entries: readonly Entry[]): string[] {
  const problems: string[] = [];
  const text = (t?: string, h?: string): Buffer => (h === undefined ? Buffer.from(t!) : Buffer.from(h, "hex"));
  for (const e of entries) {
    const name = e.path ?? e.path_hex!;
    const file = Buffer.concat([Buffer.from(`${root}/`), text(e.path, e.path_hex)]);
    const privileged = process.getuid!() === 0;
    if (e.type === "socket" || (e.rdev !== undefined && (!privileged || e.rdev[1] > 0xfffff))) continue; // larger minor numbers Linux cannot make
    const st = lstatSync(file, { throwIfNoEntry: false });
    if (st === undefined) { problems.push(`${name}: missing`); continue; }
    const type = st.isFile() ? "file" : st.isDirectory() ? "dir" : st.isSymbolicLink() ? "symlink"
      : st.isFIFO() ? "fifo" : st.isCharacterDevice() ? "chardev" : st.isBlockDevice() ? "blockdev" : "other";
    if (type !== e.type) problems.push(`${name}: a ${type}`);
    if (e.type === "symlink" && !readlinkSync(file, { encoding: "buffer" }).equals(text(e.target, e.target_hex))) problems.push(`${name}: target`);
    const bits = privileged ? 0o7777 : 0o777;
    if (e.type !== "symlink" && (st.mode & bits) !== (parseInt(e.mode, 8) & bits)) problems.push(`${name}: mode`);
    if (privileged && (st.uid !== e.uid || st.gid !== e.gid)) problems.push(`${name}: owner`);
    if (e.rdev !== undefined && st.rdev !== Number((BigInt(e.rdev[0] & ~0xfff) << 32n) | BigInt(((e.rdev[1] & ~0xff) << 12) >>> 0) | BigInt(((e.rdev[0] & 0xfff) << 8) | (e.rdev[1] & 0xff))))
      problems.push(`${name}: device ${st.rdev}`);
    if (Math.abs(st.mtimeMs * 1000 - e.mtime_us) > 1000) problems.push(`${name}: mtime`);
    if (e.type === "file" && (st.size !== e.size || createHash("sha256").update(readFileSync(file)).digest("hex") !== e.sha256)) problems.push(`${name}: contents`);
    if (e.type === "file" && st.nlink !== e.nlink) problems.push(`${name}: links`);
  }
  return problems;
}

describe.skipIf(missing)("hammer recover (needs shared/fixtures/hammer-real)", () => {
  const entries = missing ? [] : (JSON.parse(gunzipSync(readFileSync(path.join(fixtures, "hammer-real/basic-v7.json.gz"))).toString()) as { entries: Entry[] }).entries;

  it("brings a genuine image whose header and root are destroyed back into a directory", () => {
    const img = image("hammer-real", "basic-v7");
    const show = ok(hammer(["-f", img, "-qq", "show"]));
    const root = Number(BigInt(`0x${/NODE ([0-9a-f]{16}) .*depth=0/.exec(show)![1]}`) & 0xf_ffff_ffff_ffffn);
    overwrite(img, 557056 + root, 4096);
    overwrite(img, 0, 16384);
    const before = readFileSync(img);
    const r = hammer(["-f", img, "recover", path.join(dir, "found")]);
    expect(r.status).toBe(0);
    expect(r.stdout).toMatch(/^Running raw scan of HAMMER image, recovering to .*\nScanning volume \? size .*\n/);
    expect(r.stdout).toContain("has no header: its data begin at byte 557056\n");
    expect(r.stdout).toMatch(/\nRecovered \d+ files with \d+ bytes, \d+ directories, \d+ symlinks, \d+ fifos and devices, \d+ further links\n$/);
    expect(compare(path.join(dir, "found/PFS00000"), entries)).toEqual([]);
    expect(readFileSync(img).equals(before)).toBe(true);
    // A second time: there is something in the directory.
    expect(hammer(["-f", img, "recover", path.join(dir, "found")])).toMatchObject({ status: 1, stderr: expect.stringContaining("is not empty") as string });
  });

  it("tells what is missing, by message, by status and as JSON; writes nothing with --dry-run", () => {
    const img = image("hammer-real", "basic-v7");
    const node = Number(BigInt(`0x${[.../NODE ([0-9a-f]{16}) .*type=L depth=[1-9]/g[Symbol.matchAll](ok(hammer(["-f", img, "-qq", "show"])))][3]![1]}`) & 0xf_ffff_ffff_ffffn);
    overwrite(img, 557056 + node, 64);
    const out = path.join(dir, "partly");
    const json = hammer(["-f", img, "recover", "--dry-run", "--json", out, "quick"]);
    expect(json.status).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({ output_version: { command: "hammer recover" }, extent: "quick", dryRun: true, report: { lostNodes: 1 } });
    expect(existsSync(out)).toBe(false);
    const r = hammer(["-f", img, "-q", "recover", out]);
    expect(r).toMatchObject({ status: 2, stdout: "", stderr: expect.stringContaining("lost: 1 B-Tree nodes") as string });
    expect(readdirSync(path.join(out, "PFS00000")).length).toBeGreaterThan(3);
    expect(hammer(["-f", img, "recover", path.join(dir, "x"), "half"])).toMatchObject({ status: 1, stderr: expect.stringContaining("no kind of recovery") as string });
  });
});

describe("hammer strip", () => {
  it.skipIf(missing)("asks even with -y, then leaves nothing to mount or recover", () => {
    const img = image("hammer-real", "basic-v7");
    const would = ok(hammer(["-f", img, "strip", "--dry-run"]));
    expect(would).toBe(`Stripped big-block 8000000002000000\nStripped big-block 9000000002800000\nStripped volume header ${img}\n`);
    expect(hammer(["-f", img, "-y", "strip"], { input: "no\n" })).toMatchObject({ status: 1, stderr: expect.stringContaining("No action taken") as string });
    ok(hammer(["-f", img, "checkmap"]));
    const r = hammer(["-f", img, "-d", "strip"], { input: "y\n" });
    expect(r.status, r.stderr).toBe(0);
    expect(r.stdout).toMatch(/^You have requested that HAMMER filesystem \(.*\) be stripped\nDo you really want to do this\? \[y\/n\] Stripping HAMMER filesystem \(.*\)\n/);
    expect(r.stdout.endsWith(would)).toBe(true);
    expect(hammer(["-f", img, "info"]).status).toBe(1);
    const header = Buffer.alloc(16), fd = openSync(img, "r");
    readSync(fd, header, 0, 16, 0);
    closeSync(fd);
    expect(header.toString("latin1")).toBe("STRIPPED\0\0\0\0\0\0\0\0");
    expect(hammer(["-f", img, "recover", path.join(dir, "nothing"), "full"])).toMatchObject({ status: 2, stderr: expect.stringContaining("no B-Tree node") as string });
    // Stripped already: what is there is no HAMMER any more, which is asked about twice.
    expect(hammer(["-f", img, "-d", "strip"], { input: "y\nn\n" })).toMatchObject({ status: 1, stdout: expect.stringContaining("devices may not be HAMMER filesystem volumes") as string });
  });
});

describe.skipIf(missing)("queries on genuine images (need shared/fixtures)", () => {
  const genuine = (name: string): string => image("hammer", name);
  const text = (name: string): string => readFileSync(path.join(fixtures, "hammer", name), "latin1");
  /** The parts of a command's output that name its operands are not compared. */
  it("show, blockmap and checkmap print what the genuine tool prints", () => {
    const img = genuine("small-v7");
    expect(ok(hammer(["-f", img, "show"]))).toBe(text("small-v7.show.txt"));
    expect(ok(hammer(["-f", img, "blockmap"]))).toBe(text("small-v7.blockmap.txt"));
    expect(ok(hammer(["-f", img, "checkmap"]))).toBe(text("small-v7.checkmap.txt"));
  });

  it("as JSON, the same facts", () => {
    const img = genuine("populated-v7");
    const json = <T>(...args: string[]): T => JSON.parse(ok(hammer(["-f", img, ...args, "--json"]))) as T;
    const shown = json<{ nodes: { type: string; elements: unknown[] }[]; summary: { nodes: number; elements: number; badNodes: number } }>("show");
    expect(shown.nodes.length).toBe(shown.summary.nodes);
    expect(shown.summary.badNodes).toBe(0);
    const leaves = shown.nodes.filter((n) => n.type === "L").reduce((sum, n) => sum + n.elements.length, 0);
    expect(leaves).toBe(ok(hammer(["-f", img, "-qq", "show"])).match(/ELM +\d+ R/g)!.length);
    expect(json<{ bigblocks: unknown[] }>("blockmap").bigblocks.length).toBe(ok(hammer(["-f", img, "blockmap"])).match(/ zone=\d+ +app=/g)!.length);
    expect(json<{ differences: unknown[] }>("checkmap")).toMatchObject({ differences: [], summary: { errors: 0, badNodes: 0 } });
    expect(json<{ records: unknown[]; summary: { records: number } }>("show-undo").summary.records).toBeGreaterThan(1000);
    expect(json<object>("info")).toMatchObject({ version: 7, rootVolume: img, pfs: expect.any(Array) as unknown[] });
    expect(json<object>("version")).toMatchObject({ current: 7, max: 7 });
    expect(json<object>("volume-list")).toMatchObject({ volumes: [{ number: 0, name: img, root: true }] });
    expect(json<object>("volume-blkdevs")).toMatchObject({ blkdevs: img });
    expect(json<{ pfs: { id: number }[] }>("pfs-status", "/").pfs[0]).toMatchObject({ id: 0, slave: false });
    expect(json<{ pfs: { snapshots: unknown[] }[] }>("snapls").pfs[0]!.snapshots.length).toBeGreaterThan(0);
    expect(json<{ files: { history: unknown[] }[] }>("history", "/").files[0]!.history.length).toBeGreaterThan(0);
  });

  it("history: of the inode, of data at an offset, with -v the bytes", () => {
    const img = image("hammer-real", "history-v7");
    const manifest = JSON.parse(gunzipSync(readFileSync(path.join(fixtures, "hammer-real/history-v7.json.gz"))).toString()) as { object_history: { path: string; objid: string; tids: string[] }[] };
    const operands = manifest.object_history.map((o) => `/${o.path}`);
    const want = manifest.object_history.map((o) => `/${o.path}\t${o.objid.slice(2)} clean {\n${o.tids.map((t) => `    ${t.slice(2)}\n`).join("")}}\n`).join("");
    expect(ok(hammer(["-f", img, "history", ...operands])).replaceAll(/^( {4}[0-9a-f]{16}) .*$/gm, "$1")).toBe(want);
    const file = "/big";
    expect(ok(hammer(["-f", img, "-v", "history", `${file}@0,8`]))).toMatch(/^ {4}[0-9a-f]{16} \d\d-\w{3}-\d{4} \d\d:\d\d:\d\d '.{0,8}'$/m);
    expect(ok(hammer(["-f", img, "-v", "history@0,8", file]))).toBe(ok(hammer(["-f", img, "-v", "history", `${file}@0,8`])));
    const gone = hammer(["-f", img, "history", "no-such-file"]);
    expect(gone).toMatchObject({ status: 1, stdout: "no-such-file\tNo such file or directory\n" });
  });
});

describe("hammer", () => {
  it("says what an image cannot answer, and what does not exist", () => {
    for (const name of ["bstats", "iostats", "stats"])
      expect(hammer([name])).toMatchObject({ status: 1, stderr: expect.stringContaining("an image has none") as string });
    expect(hammer(["frobnicate"])).toMatchObject({ status: 1, stderr: expect.stringContaining("unknown command") as string });
    expect(hammer([]).status).toBe(1);
    expect(hammer(["info"])).toMatchObject({ status: 1, stderr: expect.stringContaining("no file system was named") as string });
  });

  it("has help for each command", () => {
    const all = ok(hammer(["--help"]));
    const names = [...all.slice(all.indexOf("\nCommands:")).matchAll(/^ {2}([a-z][\w-]+)/gm)].map((m) => m[1]!);
    expect(names.length).toBeGreaterThan(50);
    // Every command of the manual.
    const manual = "synctid bstats iostats stats history blockmap checkmap show show-undo ssh-remote recover strip namekey1 namekey2 namekey32 info cleanup abort-cleanup config viconfig volume-add volume-del volume-list volume-blkdevs snapshot snap snaplo snapq snaprm snapls prune prune-everything rebalance dedup dedup-simulate reblock reblock-btree reblock-inodes reblock-dirs reblock-data pfs-status pfs-master pfs-slave pfs-update pfs-upgrade pfs-downgrade pfs-destroy mirror-read mirror-read-stream mirror-write mirror-dump mirror-copy mirror-stream version version-upgrade".split(" ");
    expect(manual.filter((c) => !names.includes(c))).toEqual([]);
    expect(ok(hammer(["recover", "--help"]))).toContain("Exit status");
  });

  it("names' keys are those of the genuine tool", () => {
    // hammer namekey1/namekey32 of "hello": CRC-32 3610a686, without its top bit, in the upper half.
    expect(ok(hammer(["namekey1", "hello"]))).toBe("0x3610a68600000000\n");
    expect(ok(hammer(["namekey32", "hello"]))).toBe("0x3610a686\n");
    expect(ok(hammer(["namekey2", "a"]))).toBe("0x04000001e8b7be42\n");
    expect(JSON.parse(ok(hammer(["namekey1", "--json", "hello"])))).toMatchObject({ key: "0x3610a68600000000" });
  });

  it("fails with 2 where the original does", () => {
    const img = path.join(dir, "status.img");
    ok(vkernel(["image", "create", img, "--size", "128m"]));
    expect(hammer(["-f", img, "config", "/"]).status).toBe(2);
    expect(hammer(["-f", img, "snaprm", "/nowhere"]).status).toBe(2);
    expect(hammer(["-f", img, "snaprm", "0x1234"])).toMatchObject({ status: 0, stderr: "Warning: hammer snaprm 0x0000000000001234: meta-data not found\n" });
    const tid = ok(hammer(["-f", img, "snapq", "/"])).trim().slice(-16);
    expect(ok(hammer(["-f", img, "snaprm", "/", tid]))).toBe("");
    expect(ok(hammer(["-f", img, "snapls"]))).not.toContain(tid);
    const link = ok(hammer(["-f", img, "snap", "/now"])).trim();
    expect(ok(hammer(["-f", img, "snaprm", link]))).toBe("");
    expect(ok(vkernel(["image", "ls", img]))).toBe("");
    expect(hammer(["-f", img, "prune", "/nowhere"]).status).toBe(1);
  });

  it("synctid, version-upgrade and the volume commands take the operands of the original", () => {
    const img = path.join(dir, "operands.img");
    newfsHammer(["-f", "-V", "2", "-L", "OLD", "-u", "8m", "--size", "128m", img]);
    expect(ok(hammer(["-f", img, "synctid", "/", "quick"]))).toMatch(/^0x[0-9a-f]{16}\n$/);
    expect(ok(hammer(["-f", img, "version", "/"]))).toMatch(/^min=1 wip=none max=7 current=2 /);
    expect(ok(hammer(["-f", img, "-q", "version"])).split("\n").length).toBe(2);
    expect(ok(hammer(["-f", img, "version-upgrade", "/", "5", "force"]))).toMatch(/^hammer version-upgrade: succeeded\nNOTE! {2}Please run 'hammer cleanup'/);
    expect(ok(hammer(["-f", img, "-v", "volume-list", "/"]))).toBe(`0\t${img} (Root Volume)\n`);
    expect(ok(hammer(["-f", img, "volume-blkdevs", "/"]))).toBe(`${img}\n`);
  });

  it("abort-cleanup ends a cleanup that is running, and nothing else", async () => {
    const img = path.join(dir, "busy.img");
    ok(vkernel(["image", "create", img, "--size", "256m"]));
    expect(ok(hammer(["-f", img, "abort-cleanup"]))).toBe("");
    // What stands in for a cleanup that takes long: a process called so that has the image locked.
    const lock = path.join(checkout, "packages/hammer/dist/node.js");
    const cleanup = spawn(process.execPath, ["--input-type=module", "-e", `import { ImageLock } from ${JSON.stringify(lock)}; new ImageLock(${JSON.stringify(img)}); setInterval(() => {}, 1000);`, "--", "hammer", "cleanup"], { stdio: "ignore" });
    const ended = new Promise((resolve) => { cleanup.on("close", (_, signal) => resolve(signal)); });
    for (let n = 0; n < 500 && !existsSync(`${img}.lock`); n++) await new Promise((r) => { setTimeout(r, 20); });
    expect(ok(hammer(["-f", img, "abort-cleanup"]))).toBe(`Terminated cleanup process ${cleanup.pid}\n`);
    expect(await ended).toBe("SIGTERM");
    // What it left of its lock is in nobody's way.
    expect(ok(hammer(["-f", img, "synctid", "/"]))).toMatch(/^0x/);
    // A mirror-write that waits for its stream holds the image, too, and is left alone.
    const program = path.join(checkout, "packages/cli/bin/hammer.js");
    const writer = spawn(process.execPath, [program, "-f", img, "mirror-write", "/cleanup-or-not"], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      for (let n = 0; n < 200 && !existsSync(`${img}.lock`); n++) await new Promise((r) => { setTimeout(r, 20); });
      const busy = hammer(["-f", img, "abort-cleanup"]);
      expect(busy).toMatchObject({ status: 1, stderr: expect.stringContaining("which is no cleanup") as string });
    } finally {
      writer.kill("SIGKILL");
    }
  });
});
