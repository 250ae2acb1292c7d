// SPDX-License-Identifier: BSD-3-Clause
/**
 * The README's file server: an image made of Debian's packages, Samba in it, Debian's smbclient on the host; and the past of what
 * clients change.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { debianCache, HostProgram, noDebian } from "./debian.ts";
import { checkout, hammer, scratch, vkernel } from "./harness.ts";

const PASSWORD = "correct horse % \" ' $HOME";
const cli = path.join(checkout, "packages/cli/bin/vkernel.js");
const hash = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** A server beside the test. */
class Server {
  readonly port: number;
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  text = "";

  constructor(port: number, image: string, args: readonly string[]) {
    this.port = port;
    this.#child = spawn(process.execPath, [cli, "serve", "smb", image, "--port", String(port), "--user", "ada", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) stream.setEncoding("latin1").on("data", (piece: string) => (this.text += piece));
    this.ended = new Promise((resolve) => this.#child.on("close", resolve));
  }
  async ready(): Promise<void> {
    for (let i = 0; i < 600 && !this.text.includes("Serving"); i++) {
      if (this.#child.exitCode !== null) break;
      await pause(200);
    }
    expect(this.text).toContain("Serving");
  }
  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

describe.skipIf(noDebian !== null)(`serve smb${noDebian === null ? "" : `: ${noDebian}`}`, () => {
  const dir = scratch();
  const image = path.join(debianCache, "samba.img");
  const password = path.join(dir, "password");
  let smbclient: HostProgram;
  let server: Server;

  /** Runs smbclient's commands in `dir`. */
  const client = (commands: string, ...options: string[]): string => {
    const login = path.join(dir, "login");
    writeFileSync(login, `username = ada\npassword = ${PASSWORD}\n`);
    return smbclient.run(["//127.0.0.1/share", "-s", "/dev/null", "-p", String(server.port), "-A", login, ...options, "-c", commands], dir).text;
  };

  beforeAll(async () => {
    mkdirSync(debianCache, { recursive: true });
    smbclient = new HostProgram("smbclient");
    writeFileSync(password, `${PASSWORD}\n`);
    if (!existsSync(image)) {
      const made = vkernel(["image", "create", image, "--debian", "samba,samba-vfs-modules", "--cache", path.join(debianCache, "apt")], { timeoutMs: 3_600_000 });
      expect(made.status, made.stderr).toBe(0);
    }
    server = new Server(await freePort(), image, ["--password-file", password, "--snapshot-every", "2s"]);
    await server.ready();
  }, 3_700_000);
  afterAll(async () => {
    server.kill("SIGKILL");
    await server.ended;
  });

  test("a Debian image is configured whole", () => {
    const states = vkernel(["image", "cat", image, "/var/lib/dpkg/status"]).stdout.match(/^Status: .*$/gm)!;
    expect(states.length).toBeGreaterThan(100);
    expect(new Set(states)).toEqual(new Set(["Status: install ok installed"]));
    expect(vkernel(["image", "ls", image, "/var/lib/vkernel"]).status).not.toBe(0);
    expect(existsSync(`${image}.part`)).toBe(false);
  });

  test.each([
    ["SMB2_02"], ["SMB2_10"], ["SMB3_00"], ["SMB3_11"], ["SMB3_11", "--client-protection=sign"], ["SMB3_11", "--client-protection=encrypt"],
  ])("put, list, get, rename and remove with %s %s", { timeout: 200_000 }, (dialect, ...more) => {
    const [up, down] = [path.join(dir, "up.bin"), path.join(dir, "down.bin")];
    writeFileSync(up, randomBytes(3_000_001));
    rmSync(down, { force: true });
    const options = ["-m", dialect!, ...more];
    expect(client("mkdir d; cd d; put up.bin one; rename one two; ls; get two down.bin; del two; cd ..; rmdir d", ...options)).toMatch(/two +\w* +3000001 /);
    expect(hash(down)).toBe(hash(up));
    expect(client("ls d", ...options)).toContain("NT_STATUS_NO_SUCH_FILE");
  });

  test("DOS attributes stay, whatever a file's mode says", { timeout: 200_000 }, () => {
    writeFileSync(path.join(dir, "plain.txt"), "plain");
    client("put plain.txt hidden.txt; put plain.txt locked.txt; setmode hidden.txt +hs-a; setmode locked.txt +r");
    expect(client("allinfo hidden.txt")).toMatch(/^attributes: HS \(6\)$/m);
    expect(client("allinfo locked.txt")).toMatch(/^attributes: RA \(21\)$/m);
    expect(client("setmode locked.txt -r; allinfo locked.txt; del hidden.txt; del locked.txt; ls *.txt")).toMatch(/^attributes: A \(20\)$/m);
  });

  test("a wrong password is refused", () => {
    const result = smbclient.run(["//127.0.0.1/share", "-s", "/dev/null", "-p", String(server.port), "-U", "ada%wrong", "-c", "ls"], dir);
    expect(result.text).toContain("NT_STATUS_LOGON_FAILURE");
    expect(result.status).not.toBe(0);
  });

  test("what was there before a change is in the snapshot folder and among the previous versions", { timeout: 200_000 }, async () => {
    const versions = ["the first text\n", "another, longer text\n"];
    for (const text of versions) {
      writeFileSync(path.join(dir, "doc.txt"), text);
      expect(client("put doc.txt")).toContain("putting file");
      await pause(6000);
    }
    const fetched = (from: string): string | null => {
      const to = path.join(dir, "old.txt");
      rmSync(to, { force: true });
      client(`get ${from} old.txt`);
      return existsSync(to) ? readFileSync(to, "latin1") : null;
    };
    const folders = [...client("ls .snapshots\\*").matchAll(/^ +(\d{4}-\d\d-\d\d_\d\d\.\d\d\.\d\d)/gm)].map((m) => m[1]!);
    const inFolders = folders.slice(-12).map((name) => fetched(`.snapshots\\${name}\\doc.txt`));
    expect(inFolders).toContain(versions[0]);
    expect(inFolders).toContain(versions[1]);
    const times = [...new Set(client("allinfo doc.txt").match(/@GMT-[\d.]+-[\d.]+/g) ?? [])];
    expect(times.length).toBeGreaterThan(0);
    const before = times.map((time) => fetched(`${time}\\doc.txt`));
    expect(before).toContain(versions[0]);
    expect(client(`put doc.txt .snapshots\\${folders[0]!}\\doc.txt`)).toMatch(/NT_STATUS_(MEDIA_WRITE_PROTECTED|ACCESS_DENIED)/);
    expect(fetched("doc.txt")).toBe(versions[1]);
  });

  test("clients are told of changes by other clients and by programs of the guest", { timeout: 100_000 }, async () => {
    // The image stays from run to run
    const watched = `watched-${Date.now()}`;
    client(`mkdir ${watched}`);
    const watcher = smbclient.start(["//127.0.0.1/share", "-s", "/dev/null", "-p", String(server.port), "-A", path.join(dir, "login"), "-c", `notify ${watched}`], dir);
    let told = "";
    watcher.stdout!.on("data", (bytes: Buffer) => (told += bytes.toString("latin1")));
    // 1: a file was added (FILE_ACTION_ADDED)
    for (let i = 0; i < 40 && !told.includes("0001 inside"); i++) {
      expect(vkernel(["exec", `smb-${server.port}`, "touch", `/srv/share/${watched}/inside-${i}`]).status).toBe(0);
      await pause(300);
    }
    expect(told).toContain("0001 inside");
    writeFileSync(path.join(dir, "news.txt"), "news\n");
    client(`cd ${watched}; put news.txt`);
    for (let i = 0; i < 40 && !told.includes("0001 news.txt"); i++) await pause(300);
    expect(told).toContain("0001 news.txt");
    watcher.kill();
  });

  test("SIGTERM ends it in order, the image is whole, and the next start needs no password", { timeout: 200_000 }, async () => {
    const [up, down] = [path.join(dir, "last.bin"), path.join(dir, "last-down.bin")];
    writeFileSync(up, randomBytes(500_000));
    client("put last.bin");
    const since = Date.now();
    server.kill("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(Date.now() - since).toBeLessThan(10_000);
    expect(vkernel(["image", "cp", image, ":/srv/share/last.bin", down]).status).toBe(0);
    expect(hash(down)).toBe(hash(up));
    expect(hammer(["-f", image, "checkmap"]).status).toBe(0);
    server = new Server(server.port, image, ["--read-only", "--snapshot-every", "never"]);
    await server.ready();
    expect(client("ls")).toContain("last.bin");
    expect(client("del last.bin")).toMatch(/NT_STATUS_(MEDIA_WRITE_PROTECTED|ACCESS_DENIED)/);
    const second = vkernel(["serve", "smb", image, "--password-file", password]);
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/samba\.img.*process \d+/);
  });
});

test("an image without Samba is refused with what to do", () => {
  const image = path.join(scratch(), "empty.img");
  expect(vkernel(["image", "create", image]).status).toBe(0);
  const { status, stderr } = vkernel(["serve", "smb", image, "--user", "ada"]);
  expect(status).toBe(1);
  expect(stderr).toBe(`vkernel: ${image}: has no /usr/sbin/smbd (make one that has: vkernel image create IMAGE --debian samba,samba-vfs-modules)\n`);
});
