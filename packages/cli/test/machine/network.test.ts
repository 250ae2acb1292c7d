// SPDX-License-Identifier: BSD-3-Clause
/** Debian's busybox on the network: its web server behind a published port, its web client over the host's sockets. */
import { spawn } from "node:child_process";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { checkout, debianRoot, NO_ROOTS } from "./harness.ts";

const root = debianRoot("busybox");
const cli = path.join(checkout, "packages/cli/bin/vkernel.js");

/** Runs `vkernel run` beside the test; resolves to its output when it has ended. */
function run(args: readonly string[]): { readonly output: Promise<string>; stop(): void } {
  const child = spawn(process.execPath, [cli, "run", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("latin1").on("data", (piece: string) => (text += piece));
  const output = new Promise<string>((resolve) => child.on("close", () => resolve(text)));
  return { output, stop: () => child.kill("SIGTERM") };
}
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => probe.once("listening", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
/** The answer to a request, asked again until there is one. */
function fetchText(url: string, until: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const again = (error: Error): void => {
      if (Date.now() > until) reject(error);
      else setTimeout(() => fetchText(url, until).then(resolve, reject), 200);
    };
    get(url, (response) => {
      let text = "";
      response.setEncoding("latin1").on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve(`${response.statusCode} ${text}`));
      response.on("error", again);
    }).on("error", again);
  });
}

describe.skipIf(root === null)(`network${root === null ? `: ${NO_ROOTS}` : ""}`, () => {
  test("a web server behind a published port", { timeout: 120_000 }, async () => {
    const port = await freePort();
    const script = "mkdir /www && seq 1 50000 > /www/numbers && exec busybox httpd -f -p 80 -h /www";
    const server = run(["--root", root!, "-p", `${port}:80`, "--", "/bin/busybox", "sh", "-c", script]);
    const until = Date.now() + 100_000;
    const numbers = Array.from({ length: 50_000 }, (_, i) => `${i + 1}\n`).join("");
    expect(await fetchText(`http://127.0.0.1:${port}/numbers`, until)).toBe(`200 ${numbers}`);
    expect(await fetchText(`http://127.0.0.1:${port}/nothing`, until)).toMatch(/^404 /);
    server.stop();
    await server.output;
  });

  test("a web client reaches the host, and nothing without --net", { timeout: 120_000 }, async () => {
    const body = "line of text\n".repeat(20_000);
    const server = createServer((_request, response) => response.end(body)).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://10.0.2.2:${(server.address() as AddressInfo).port}/`;
    const wget = ["--", "/bin/busybox", "sh", "-c", `busybox wget -q -O - ${url} 2>/dev/null | busybox md5sum; echo done`];
    const { createHash } = await import("node:crypto");
    const sum = (text: string): string => `${createHash("md5").update(text).digest("hex")}  -\ndone\n`;
    expect(await run(["--root", root!, "--net", ...wget]).output).toBe(sum(body));
    expect(await run(["--root", root!, ...wget]).output).toBe(sum(""));
    server.close();
  });
});
