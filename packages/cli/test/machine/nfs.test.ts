// SPDX-License-Identifier: BSD-3-Clause
/**
 * `vkernel serve nfs` with a client that nobody here wrote: libnfs's tools, from the PATH or from Debian's packages, which are
 * unpacked into a scratch folder.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { checkout, hammer, scratch, vkernel } from "./harness.ts";

const dir = scratch();
const cli = path.join(checkout, "packages/cli/bin/vkernel.js");

/** Folder with nfs-ls, nfs-cat and nfs-cp, and what their libraries need; null where they cannot be had. */
function libnfs(): { readonly bin: string; readonly env: Record<string, string> } | null {
  for (const bin of (process.env["PATH"] ?? "").split(":")) if (existsSync(path.join(bin, "nfs-ls"))) return { bin, env: {} };
  const debs = path.join(dir, "debs");
  mkdirSync(debs);
  spawnSync("sh", ["-c", "apt-get download libnfs-utils libnfs13 && for d in *.deb; do dpkg-deb -x $d root; done"], { cwd: debs });
  const lib = path.join(debs, "root/usr/lib");
  if (!existsSync(lib)) return null;
  const folders = readdirSync(lib).map((machine) => path.join(lib, machine));
  return { bin: path.join(debs, "root/usr/bin"), env: { LD_LIBRARY_PATH: folders.join(":") } };
}
const tools = libnfs();
const NO_TOOLS = "no nfs-ls (Debian: libnfs-utils), and no apt-get to get it with";

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
}
let running: Server | null = null;
afterEach(() => {
  running?.child.kill("SIGKILL");
  running = null;
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}
async function serve(...args: string[]): Promise<Server> {
  const port = await freePort();
  const child = spawn(process.execPath, [cli, "serve", "nfs", ...args, "--port", String(port)], {
    stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir },
  });
  let text = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes("libnfs:")) resolve();
    });
    child.on("exit", () => reject(new Error("the server has ended")));
  });
  expect(text).toContain(`port=${port},mountport=${port}`);
  return (running = { child, port });
}
async function end(server: Server, signal: NodeJS.Signals): Promise<number | null> {
  const ended = once(server.child, "exit");
  server.child.kill(signal);
  const [status] = (await ended) as [number | null];
  running = null;
  return status;
}
function tool(name: string, server: Server, file: string, ...more: string[]): { status: number | null; stdout: Buffer; stderr: string } {
  const url = `nfs://127.0.0.1${file}?nfsport=${server.port}&mountport=${server.port}`;
  const run = spawnSync(path.join(tools!.bin, name), [...more, url], { env: { ...process.env, ...tools!.env }, timeout: 60_000, maxBuffer: 1 << 28 });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr.toString() };
}

describe.skipIf(tools === null)(`NFS${tools === null ? `: ${NO_TOOLS}` : ""}`, () => {
  const image = path.join(dir, "fs.img");
  const source = path.join(dir, "source.bin");
  const bytes = Uint8Array.from({ length: 3_000_001 }, (_, i) => (i * i * 31) >> 7);

  test("files go in and come out, and are in the image afterwards", { timeout: 120_000 }, async () => {
    writeFileSync(source, bytes);
    expect(vkernel(["image", "create", image, "--size", "1g", "--world"]).status).toBe(0);
    const server = await serve(image, "--map-all", "0");
    expect(tool("nfs-cp", server, "/tmp/file", source).stderr).toBe("");
    expect(tool("nfs-cat", server, "/tmp/file").stdout.equals(Buffer.from(bytes))).toBe(true);
    const listed = tool("nfs-ls", server, "/tmp").stdout.toString();
    expect(listed).toMatch(/^-rw.* 3000001 file$/m);
    expect(tool("nfs-ls", server, "/bin").stdout.toString()).toMatch(/ sh$/m);
    expect(await end(server, "SIGTERM")).toBe(0);
    const copy = vkernel(["image", "cat", image, "/tmp/file"]);
    expect(Buffer.from(copy.stdout, "latin1").equals(Buffer.from(bytes))).toBe(true);
    expect(hammer(["-f", image, "checkmap"]).status).toBe(0);
  });

  test("what was committed survives kill -9, and the image is whole", { timeout: 120_000 }, async () => {
    const server = await serve(image, "--map-all", "0");
    // nfs-cp ends with COMMIT: nfs_close() waits for it.
    for (let i = 0; i < 5; i++) expect(tool("nfs-cp", server, `/tmp/kept-${i}`, source).status).toBe(0);
    await end(server, "SIGKILL");
    const again = await serve(image, "--map-all", "0");
    for (let i = 0; i < 5; i++) expect(tool("nfs-cat", again, `/tmp/kept-${i}`).stdout.length).toBe(bytes.length);
    expect(await end(again, "SIGTERM")).toBe(0);
    expect(hammer(["-f", image, "checkmap"]).status).toBe(0);
  });

  test("the past is served by time, read-only", { timeout: 120_000 }, async () => {
    const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    await pause(2100);
    const then = new Date().toISOString();
    await pause(2100);
    expect(vkernel(["image", "rm", image, "/tmp/file"]).status).toBe(0);
    const server = await serve(image, "--as-of", then, "--map-all", "0");
    expect(tool("nfs-cat", server, "/tmp/file").stdout.length).toBe(bytes.length);
    expect(tool("nfs-cp", server, "/tmp/new", source).status).not.toBe(0);
    expect(await end(server, "SIGTERM")).toBe(0);
    const now = await serve(`${image}:/tmp`, "--read-only");
    expect(tool("nfs-ls", now, "/tmp").stdout.toString()).not.toMatch(/ file$/m);
    await end(now, "SIGTERM");
  });

  test("an image is served once, and a second server names the first", { timeout: 60_000 }, async () => {
    const server = await serve(image);
    const second = vkernel(["serve", "nfs", image, "--port", String(await freePort())], { env: { XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir } });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(String(server.child.pid));
    await end(server, "SIGTERM");
  });
});
