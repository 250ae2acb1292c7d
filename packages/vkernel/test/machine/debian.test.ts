// SPDX-License-Identifier: BSD-3-Clause
/**
 * Genuine i386 programs: Debian's bash, coreutils and their C library from the folder that tooling/roots.mjs fills
 * (scratch/roots, or the one that VKERNEL_ROOTS names).
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { SimPlatform } from "@vkernel/hostkernel";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { bootKernel, devFs, overlayFs, procFs } from "@vkernel/vkernel";

const roots = process.env.VKERNEL_ROOTS ?? fileURLToPath(new URL("../../../../scratch/roots", import.meta.url));
const root = existsSync(path.join(roots, "debian/bin/bash")) ? path.join(roots, "debian") : undefined;
const { files } = new NodePlatform();

/** Runs a shell script in the directory's system; host files come from Node, everything else is simulated. */
async function bash(script: string, input = ""): Promise<{ output: string; errors: string; status: number; signal: number }> {
  const platform = new SimPlatform({ epochUs: 1.7e15 });
  const host = new Proxy(platform, {
    get: (target, name) => {
      if (name === "files") return files;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value as () => unknown).bind(target) : value;
    },
  });
  const vk = await bootKernel({
    platform: host,
    ramBytes: 128 << 20,
    root: overlayFs(root!),
    mounts: [
      { on: "/dev", mount: devFs(), optional: true },
      { on: "/proc", mount: procFs(), optional: true },
    ],
    first: { path: "/bin/bash", argv: ["bash", "-c", script], env: ["PATH=/usr/bin:/bin", "LC_ALL=C"], stdio: "streams" },
  });
  platform.after(0, () => {
    platform.terminal.input.push(Uint8Array.from(input, (c) => c.charCodeAt(0)));
    platform.terminal.input.push(null);
  });
  const r = await vk.run();
  return { output: platform.terminal.output.text, errors: platform.terminal.error.text, status: r.status, signal: r.signal };
}

describe.skipIf(root === undefined)(`Debian programs${root === undefined ? ": none there (make them with: node tooling/roots.mjs)" : ""}`, () => {
  it.each([
    ["arithmetic and loops", "for i in 1 2 3; do echo $((i * i)); done", "1\n4\n9\n"],
    ["a pipeline of three programs", "seq 1 1000 | sort -rn | head -3", "1000\n999\n998\n"],
    ["command substitution and status", "x=$(false; echo $?); echo $x", "1\n"],
    ["background jobs and wait", "(sleep 0.2; exit 3) & wait $!; echo $?", "3\n"],
    ["process substitution", "cat <(echo one) <(echo two)", "one\ntwo\n"],
    ["here documents", "tr a-z A-Z <<X\nhello\nX", "HELLO\n"],
    ["traps", "trap 'echo got; exit 4' USR1; kill -USR1 $$; echo no", "got\n"],
    ["stop and continue", "sleep 100 & kill -STOP $!; kill -CONT $!; kill $!; wait $!; echo $?", "143\n"],
    ["files", "mkdir -p /tmp/d; cd /tmp/d; touch b a; mv a c; ln -s b l; ls; readlink l", "b\nc\nl\nb\n"],
    ["gzip both ways", "seq 1 50000 | gzip | gunzip | tail -1", "50000\n"],
    ["tar both ways", "cd /tmp; echo x > f; tar cf a.tar f; rm f; tar xf a.tar; cat f", "x\n"],
    ["find and sed", "find /etc -name passwd | sed s,/,:,g", ":etc:passwd\n"],
    ["timeout kills", "timeout 1 sleep 50; echo $?", "124\n"],
    ["standard input", "read a; read b; echo $b $a", "two one\n"],
    ["a fifo", "mkfifo /tmp/p; cat /tmp/p & echo through > /tmp/p; wait", "through\n"],
    ["signals as status", "sh -c 'kill -9 $$'; echo $?", "137\n"],
    ["/proc", "read x < /proc/self/stat; set -- $x; test $1 -gt 0 && echo ok", "ok\n"],
  ])("%s", async (_what, script, output) => {
    const r = await bash(script, "one\ntwo\n");
    expect(r.output).toBe(output);
  });

  it("the status of the shell is the result", async () => {
    expect(await bash("exit 23")).toMatchObject({ status: 23, signal: 0 });
    expect(await bash("kill -TERM $$")).toMatchObject({ signal: 15 });
  });
});
