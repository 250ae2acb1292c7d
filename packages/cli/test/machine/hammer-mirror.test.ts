// SPDX-License-Identifier: BSD-3-Clause
/** hammer mirror-*, as users run it: files, pipes, image to image. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkout, hammer, newfsHammer, scratch, vkernel, type Result } from "./harness.ts";

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

describe("mirroring to other hosts", () => {
  const dir = scratch();
  const bin = path.join(dir, "bin"), here = path.join(dir, "here.img"), there = path.join(dir, "there.img"), log = path.join(dir, "ssh.log");
  mkdirSync(bin);
  // What ssh would run on the other host is run here: its words, joined and taken apart by a shell again.
  const program = path.join(checkout, "packages/cli/bin/hammer.js");
  writeFileSync(path.join(bin, "hammer"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
  writeFileSync(path.join(bin, "ssh"), `#!/bin/sh
echo "$*" >> '${log}'
while :; do case "$1" in -l|-p) shift 2;; -C) shift;; *) break;; esac; done
host="$1"; shift
case "$host" in
  locked) export SSH_ORIGINAL_COMMAND="$*"; exec sh -c "$LOCKED_COMMAND";;
  cut) exec '${process.execPath}' '${path.join(bin, "cut.cjs")}' "$*";;
  *) exec sh -c "$*";;
esac
`);
  // A link that is lost after so many bytes: both directions at once.
  writeFileSync(path.join(bin, "cut.cjs"), `
const child = require("node:child_process").spawn("sh", ["-c", process.argv[2]], { stdio: ["inherit", "pipe", "inherit"], detached: true });
let left = Number(process.env.CUT_AT);
child.stdout.on("data", (b) => {
  process.stdout.write(b.subarray(0, left), () => {
    if ((left -= b.length) > 0) return;
    process.kill(-child.pid, "SIGKILL");
    process.exit(255);
  });
});
`);
  for (const name of ["hammer", "ssh"]) chmodSync(path.join(bin, name), 0o755);
  const env = { PATH: `${bin}:${process.env["PATH"] ?? ""}` };
  ok(newfsHammer(["-f", "-L", "HERE", "-u", "8m", "--size", "256m", here]));
  ok(newfsHammer(["-f", "-L", "THERE", "-u", "8m", "--size", "256m", there]));
  const put = (text: string, name = "/note"): void => {
    const file = path.join(dir, "file");
    writeFileSync(file, text);
    ok(vkernel(["image", "cp", file, `${here}:${name}`]));
  };
  const cat = (name: string, image = there): string => ok(vkernel(["image", "cat", image, name]));
  const run = (args: string[], more: Record<string, string> = {}): Result => hammer(["-f", here, ...args], { env: { ...env, ...more } });

  it("mirror-copy sends to an image there, in passes of the size asked for; the two ends agree where to begin", () => {
    for (let n = 0; n < 8; n++) put(String(n).repeat(200_000), `/file${n}`);
    put("first\n");
    const first = run(["-v", "-y", "-p", "2222", "-X", "-S", "300k", "mirror-copy", "/", `ada@backup:${there}:/disk`]);
    expect(first.status, first.stderr).toBe(0);
    expect(readFileSync(log, "latin1")).toBe(`-C -l ada -p 2222 backup hammer -f ${there} -v -y -2 mirror-write /disk\n`);
    expect(first.stderr).toMatch(/Prescan ([4-9]) chunks, total \d MBytes/);
    expect(first.stderr.match(/records with \d+ bytes written/g)!.length).toBeGreaterThan(3);
    expect(cat("/disk/note")).toBe("first\n");
    expect(cat("/disk/file7")).toBe("7".repeat(200_000));
    put("second\n");
    const second = run(["-v", "-B", "mirror-copy", "/", `backup:${there}:/disk`]);
    expect(second.status, second.stderr).toBe(0);
    expect(second.stderr.match(/\b\d+ records with \d+ bytes written/g)).toHaveLength(1);
    expect(cat("/disk/note")).toBe("second\n");
    expect(run(["mirror-copy", "/", `backup:${there}:/disk`]).stderr).not.toContain("records with");
    expect(ok(hammer(["-f", there, "checkmap"]))).not.toMatch(/^B/m);
  });

  it("from an image there", () => {
    const back = run(["-y", "-B", "mirror-copy", `backup:${there}:/disk`, "/back"]);
    expect(back.status, back.stderr).toBe(0);
    expect(cat("/back/note", here)).toBe("second\n");
  });

  it("a cycle file remembers where the target is complete", () => {
    const cycle = path.join(dir, "cycle");
    put("third\n");
    expect(run(["-c", cycle, "-B", "mirror-copy", "/", `backup:${there}:/disk`]).stderr).toMatch(/Cyclefile .* updated to 0x[0-9a-f]{16}/);
    expect(readFileSync(cycle).length).toBe(48);
    expect(cat("/disk/note")).toBe("third\n");
  });

  it("a link that breaks off anywhere: said so, the slave as it was, the next run brings all", () => {
    put("fourth\n");
    for (const at of [10, 700, 1500]) {
      const broken = hammer(["-f", there, "-B", "mirror-copy", `cut:${here}:/`, "/disk"], { env: { ...env, CUT_AT: String(at) } });
      expect(broken.status).toBe(1);
      expect(broken.stderr).toContain("goes on from there");
      expect(cat("/disk/note")).toBe("third\n");
    }
    expect(run(["-B", "mirror-copy", "/", `backup:${there}:/disk`]).status).toBe(0);
    expect(cat("/disk/note")).toBe("fourth\n");
  });

  it("ssh-remote gives access to what it names and nothing else", () => {
    const locked = (request: string[]): Result => hammer(["-f", there, "ssh-remote", "mirror-write,mirror-read", "/disk"],
      { env: { ...env, SSH_ORIGINAL_COMMAND: request.join(" ") } });
    expect(locked(["hammer", "mirror-read", "/"]).stderr).toContain("restricted target");
    expect(locked(["hammer", "mirror-read", "/disk/../other"]).stderr).toContain("'..' not allowed");
    expect(locked(["hammer", "mirror-read", "/diskette"]).stderr).toContain("restricted target");
    expect(locked(["hammer", "strip"]).stderr).toContain("restricted command");
    for (const option of ["-f", "-c", "-e", "-R", "-T", "-yf"]) expect(locked(["hammer", option, here, "mirror-read", "/disk"]).stderr).toContain("is not allowed");
    expect(locked(["sh", "-c", "id"]).stderr).toContain("Command not 'hammer'");
    expect(hammer(["-f", there, "ssh-remote", "mirror-read", "/disk"]).stderr).toContain("SSH_ORIGINAL_COMMAND");
    put("fifth\n");
    const through = run(["-B", "mirror-copy", "/", "locked:/disk"], { LOCKED_COMMAND: `hammer -f ${there} ssh-remote mirror-write /disk` });
    expect(through.status, through.stderr).toBe(0);
    expect(cat("/disk/note")).toBe("fifth\n");
  });

  it("hosts that would be options of ssh are refused; what cannot be started is said", () => {
    expect(run(["mirror-copy", "/", "-oProxyCommand=id:/disk"]).status).toBe(1);
    expect(run(["mirror-copy", "--", "/", "-oProxyCommand=id:/disk"]).stderr).toContain("is no name of a user or host");
    expect(run(["mirror-copy", "/", "host:/disk"], { HAMMER_RSH: "/nowhere/rsh" }).stderr).toContain("cannot be started");
  });

  it("mirror-read-stream goes on with what changes, until -t", () => {
    const score = path.join(dir, "score");
    const child = spawnSync("sh", ["-c", `"$0" "$1" -f "$2" -B -i 0 -t 2 -e "$3" mirror-read-stream / | "$0" "$1" mirror-dump --json`, process.execPath, program, here, score], { env: { ...process.env, ...env } });
    const types = child.stdout.toString().trim().split("\n").map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types.slice(0, 2)).toEqual(["pfsd", "pfsd"]);
    expect(types.at(-1)).toBe("term");
    expect(types.filter((t) => t === "sync")).toHaveLength(1);
    expect(readFileSync(score, "latin1")).toMatch(/^Waiting {12}\ntids=[0-9a-f]{16}:[0-9a-f]{16} +\d+ *\n/);
  });

  it("-b limits the bytes a second; --dry-run sends nothing", () => {
    put("x".repeat(400_000), "/slow");
    const before = ok(hammer(["-f", there, "pfs-status", "/disk"]));
    expect(ok(run(["mirror-copy", "--dry-run", "--to", there, "/", "/disk"]))).toMatch(/^1 passes from 0x[0-9a-f]{16} on, about 4\d{5} bytes, would be sent\n$/);
    expect(ok(hammer(["-f", there, "pfs-status", "/disk"]))).toBe(before);
    const start = Date.now();
    ok(run(["-b", "400k", "mirror-copy", "--to", there, "/", "/disk"]));
    expect(Date.now() - start).toBeGreaterThan(900);
    expect(cat("/disk/slow").length).toBe(400_000);
    expect(existsSync(`${there}.lock`)).toBe(false);
  });
});
