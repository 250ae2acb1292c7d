// SPDX-License-Identifier: BSD-3-Clause
/** Running machines over their control sockets, the order of their end, and machine files. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { checkout, scratch, vkernel, type Result } from "./harness.ts";

const dir = scratch();
const env = { XDG_RUNTIME_DIR: dir };
const cli = path.join(checkout, "packages/cli/bin/vkernel.js");
const call = (args: string[], input = ""): Result => vkernel(args, { env, input });

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Starts a machine of the embedded world and waits until it answers. */
async function start(name: string, script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [cli, "run", "--name", name, "--", "/bin/sh", "-c", script], {
    stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env },
  });
  children.push(child);
  await once(child.stdout!, "data");
  return child;
}
const status = async (child: ChildProcess): Promise<number | null> =>
  child.exitCode ?? ((await once(child, "exit")) as [number | null])[0];

describe("control sockets", () => {
  test("list machines and processes, run programs with streams and status, stop in order", { timeout: 120_000 }, async () => {
    const child = await start("box", "echo up; while true; do sleep 1; done");
    expect(statSync(path.join(dir, "vkernel")).mode & 0o777).toBe(0o700);
    const { machines } = JSON.parse(call(["ps", "--json"]).stdout) as { machines: { name: string; pid: number; kind: string }[] };
    expect(machines).toMatchObject([{ name: "box", pid: child.pid, kind: "run" }]);
    expect(call(["ps", "box"]).stdout).toContain("/bin/sh -c echo up");
    const run = call(["exec", "-e", "A=b c", "box", "/bin/sh", "-c", 'echo "$A"; echo bad >&2; exit 7']);
    expect([run.stdout, run.stderr, run.status]).toEqual(["b c\n", "bad\n", 7]);
    const input = "line\n".repeat(50_000);
    expect(call(["exec", "box", "cat"], input).stdout).toBe(input);
    expect(call(["exec", "box", "/no/such"]).status).toBe(127);
    expect(call(["exec", "nobody", "ls"])).toMatchObject({ status: 125, stdout: "" });
    expect(call(["logs", "box"]).stdout).toBe("up\n");
    expect(call(["run", "--name", "box", "--", "/bin/true"]).stderr).toContain("runs already");
    expect(call(["stop", "box"]).status).toBe(0);
    expect(await status(child)).toBe(143);
    expect(existsSync(path.join(dir, "vkernel/box.sock"))).toBe(false);
  });

  test("a killed machine's socket is cleaned up", { timeout: 60_000 }, async () => {
    const child = await start("gone", "echo up; sleep 100");
    child.kill("SIGKILL");
    await status(child);
    expect(existsSync(path.join(dir, "vkernel/gone.sock"))).toBe(true);
    expect(JSON.parse(call(["ps", "--json"]).stdout)).toMatchObject({ machines: [] });
    expect(existsSync(path.join(dir, "vkernel/gone.sock"))).toBe(false);
  });

  test("the console of a machine: watched without a terminal until a signal, typed into from one until ~.", { timeout: 120_000 }, async () => {
    const machine = spawn(process.execPath, [cli, "run", "--name", "con", "--", "/bin/sh", "-c", "echo up; while read line; do echo got $line; done"], {
      stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...env },
    });
    children.push(machine);
    await once(machine.stdout!, "data");
    const attach = (argv: string[]): { child: ChildProcess; shows: (text: string) => Promise<void> } => {
      const child = spawn(argv[0]!, argv.slice(1), { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...env } });
      children.push(child);
      let seen = "";
      child.stdout!.on("data", (bytes: Buffer) => (seen += bytes.toString("latin1")));
      const shows = async (text: string): Promise<void> => {
        while (!seen.includes(text)) await once(child.stdout!, "data");
      };
      return { child, shows };
    };
    const looking = attach([process.execPath, cli, "attach", "con"]);
    looking.child.stdin!.write("one\n");
    await looking.shows("got one");
    looking.child.kill("SIGINT");
    expect(await once(looking.child, "exit")).toEqual([null, "SIGINT"]);
    const typing = attach(["script", "-qfec", `'${process.execPath}' '${cli}' attach con`, "/dev/null"]);
    // Typed again until the other side is there: a pty of script's has an echo of its own before.
    const keys = setInterval(() => typing.child.stdin!.write("two\n"), 500);
    await typing.shows("got two");
    clearInterval(keys);
    typing.child.stdin!.write("\n~.");
    expect(await status(typing.child)).toBe(0);
    expect(machine.exitCode).toBeNull();
    machine.stdin!.end();
    expect(await status(machine)).toBe(0);
  });

  test("ps shows no control characters of the guest's", { timeout: 60_000 }, async () => {
    await start("odd", "echo up; /bin/sh -c 'sleep 50; :' \"$(printf 'a\\033[31mb\\302\\233c')\"");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { stdout } = call(["ps", "odd"]);
    expect(stdout).toContain("a\\x1b[31mb\\x9bc");
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u0080-\u009f]/);
  });

  test("a guest that ignores SIGTERM is ended within ten seconds, at a second signal at once", { timeout: 60_000 }, async () => {
    const stubborn = "trap '' TERM HUP; echo up; while true; do sleep 1; done";
    const first = await start("one", stubborn);
    const before = Date.now();
    first.kill("SIGTERM");
    expect(await status(first)).not.toBeNull();
    expect(Date.now() - before).toBeLessThan(12_000);
    const second = await start("two", stubborn);
    second.kill("SIGTERM");
    setTimeout(() => second.kill("SIGTERM"), 300);
    const again = Date.now();
    expect(await status(second)).not.toBeNull();
    expect(Date.now() - again).toBeLessThan(4000);
  });
});

describe("machine files", () => {
  const file = path.join(dir, "vm.json");
  const image = path.join(dir, "root.img");
  const boot = (machine: unknown): Result => {
    writeFileSync(file, JSON.stringify(machine));
    return call(["boot", "-f", file]);
  };

  test("boot what they describe", { timeout: 60_000 }, () => {
    expect(vkernel(["image", "create", image, "--size", "1g", "--world"]).status).toBe(0);
    writeFileSync(path.join(dir, "shared.txt"), "shared\n");
    const machine = {
      version: 1,
      memory: "64m",
      disks: [{ source: "root.img" }],
      shares: [{ host: ".", guest: "/host", readOnly: true }],
      environment: { GREETING: "hello" },
      start: ["/bin/sh", "-c", "echo $GREETING; cat /host/shared.txt; touch /kept; exit 5"],
    };
    expect(boot(machine)).toMatchObject({ stdout: "hello\nshared\n", status: 5 });
    expect(vkernel(["image", "ls", image, "/"]).stdout).toMatch(/^kept$/m);
    expect(boot({ ...machine, disks: [{ source: "root.img", mode: "discard" }], start: ["/bin/sh", "-c", "rm /kept"] }).status).toBe(0);
    expect(vkernel(["image", "ls", image, "/"]).stdout).toMatch(/^kept$/m);
  });

  test.each([
    [{ version: 2, disks: [{ source: "x" }] }, "version: it must be 1"],
    [{ version: 1 }, "disks: the field is missing"],
    [{ version: 1, disks: [{ source: "x", mode: "w" }] }, "disks[0].mode: it must be one of rw, ro, discard"],
    [{ version: 1, disks: [{ source: "x" }], shares: [{ host: "a", guest: "b" }] }, "shares[0].guest: "],
    [{ version: 1, disks: [{ source: "x" }], network: { publish: [{ host: 99_999, guest: 1 }] } }, "network.publish[0].host: "],
    [{ version: 1, disks: [{ source: "x" }], colour: "red" }, "colour: there is no such field"],
    [{ version: 1, disks: [{ source: "x" }, { source: "y" }] }, "disks[1].on: the field is missing"],
  ])("are refused with the name of the field: %j", (machine, text) => {
    const { stderr, status: code } = boot(machine);
    expect(stderr).toContain(`vm.json: ${text}`);
    expect(code).not.toBe(0);
  });
});
