// SPDX-License-Identifier: BSD-3-Clause
/** The embedded world as `npm start` boots it: programs of our own, through the DragonFly ABI, from a HAMMER root. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { checkout, scratch, vkernel } from "./harness.ts";

/** Runs a script on the console's standard input. */
function world(script: string) {
  return vkernel([], { input: script });
}

/** Output of one command in the world; expects status 0 and nothing on standard error. */
function output(script: string): string {
  const r = world(`${script}\nexit 0\n`);
  expect(r.stderr).toBe("");
  expect(r.status).toBe(0);
  return r.stdout;
}

describe("a piped session", () => {
  it("runs the lines and ends with the shell's status", () => {
    const r = world("uname -a\nls -l /\nps\nexit 3\n");
    expect(r.status).toBe(3);
    expect(r.stderr).toBe("");
    const lines = r.stdout.split("\n");
    expect(lines[0]).toMatch(/^DragonFly \S+ 2\.0\S* DragonFly .* i386$/);
    for (const dir of ["bin", "dev", "etc", "home", "root", "sbin", "tmp", "usr", "var"]) {
      expect(r.stdout).toMatch(new RegExp(`^d\\S+ +\\d+ root +wheel .* ${dir}$`, "m"));
    }
    expect(r.stdout).toMatch(/^ +1 \?\? +\S+ +\S+ \/sbin\/init --$/m);
    expect(r.stdout).toMatch(/ ps$/m);
  });

  it("ends at the end of input with the last status", () => {
    expect(world("false\n").status).toBe(1);
    expect(world("").status).toBe(0);
  });

  it("a shell that dies of a signal is 128 + N", () => {
    expect(world("kill -TERM $$\n").status).toBe(143);
  });

  it("halt ends the system from within", () => {
    const r = world("halt\nsleep 60\necho never\n");
    expect(r.stdout).toBe("");
    expect(r.status).toBe(0);
  });

  it.runIf(existsSync("/dev/full"))("programs and commands hear of a standard output that takes nothing", () => {
    const full = openSync("/dev/full", "w");
    const to = (args: string[]) => spawnSync(process.execPath, [path.join(checkout, "packages/cli/bin/vkernel.js"), ...args], { stdio: ["ignore", full, "pipe"], encoding: "utf8" });
    const program = to(["run", "sh", "-c", "echo lost || exit 9"]);
    expect([program.status, program.stderr]).toEqual([9, expect.stringMatching(/No space left/)]);
    const command = to(["syscalls"]);
    expect([command.status, command.stderr]).toEqual([1, "vkernel: standard output: no space left on the host's device\n"]);
    closeSync(full);
  });

  it("keeps output and errors apart", () => {
    const r = world("echo out; echo err >&2; nosuch\n");
    expect(r.stdout).toBe("out\n");
    expect(r.stderr).toContain("err\n");
    expect(r.stderr).toContain("nosuch: not found");
    expect(r.status).toBe(127);
  });
});

describe("the shell", () => {
  it.each([
    ["pipes and arithmetic", "for i in 1 2 3; do echo $((i*i)); done | sort -rn", "9\n4\n1\n"],
    ["quoting", `set -- a 'b c'; for i in "$@"; do echo "[$i]"; done`, "[a]\n[b c]\n"],
    ["here-documents", "cat <<X\n$((1+1)) `echo sub`\nX", "2 sub\n"],
    ["functions and local", "f() { local v=in; echo $v $1; return 4; }; v=out; f x || echo $? $v", "in x\n4 out\n"],
    ["case and globs", "cd /tmp; touch q1 q2; case q1 in q*) echo q?;; esac", "q1 q2\n"],
    ["redirections", "cd /tmp; echo a >f; echo b >>f; { read x; read y; } <f; echo $y$x", "ba\n"],
    ["substitution", 'echo "$(case x in x) echo ok;; esac)" ${HOME#/}', "ok root\n"],
    ["background jobs", "sleep 0.05 & wait $!; echo $?", "0\n"],
    ["traps", "trap 'echo caught' USR1; kill -USR1 $$; echo after", "caught\nafter\n"],
    ["subshell status", "(exit 7); echo $?; ! true; echo $?", "7\n1\n"],
  ])("%s", (_what, script, want) => {
    expect(output(script)).toBe(want);
  });
});

describe("the programs", () => {
  it("files: copy, move, link, modes, removal", () => {
    const script = [
      "cd /tmp", "mkdir -p a/b", "echo hello > a/b/f", "ln -s b/f a/l", "ln a/b/f a/h", "cp -R a c", "mv c/b c/d",
      "chmod u=rwx,go= c/h", "stat -f '%Sp %l %z' c/h", "cat c/d/f", "ls c", "readlink c/l", "find a -type f | sort", "rm -r a c", "ls",
    ].join("\n");
    expect(output(script)).toBe("-rwx------ 1 6\nhello\nd\nh\nl\nb/f\na/b/f\na/h\n");
  });

  it("text: sort, uniq, cut, tr, grep, wc, head, tail, cmp, hexdump", () => {
    const script = [
      "cd /tmp", "seq 1 30 > n", "grep -c 1 n", "head -2 n | tail -1", "tail -1 n", "sort -rn n | head -1", "wc -l < n | tr -d ' '",
      "printf 'b:1\\na:2\\na:2\\n' | sort | uniq -c | tr -s ' '", "cut -d: -f1,7 /etc/passwd | head -1", "cmp n n && echo same",
      "printf 'AB' | hexdump -C | head -1",
    ].join("\n");
    expect(output(script)).toBe(
      "12\n2\n30\n30\n30\n 2 a:2\n 1 b:1\nroot:/bin/sh\nsame\n00000000  41 42                                             |AB|\n",
    );
  });

  it("system: df, mount, sysctl, id, date", () => {
    const out = output("df / | tail -1\nmount\nsysctl -n hw.machine kern.ostype\nid\ndate -u -r 0 +%Y-%m-%d");
    expect(out).toMatch(/%\s+\/$/m);
    expect(out).toMatch(/ on \/ \(hammer/);
    expect(out).toMatch(/^i386\nDragonFly\nuid=0\(root\) gid=0\(wheel\)/m);
    expect(out).toMatch(/^1970-01-01$/m);
  });

  it("history: hammer and undo find what a file was before each sync", () => {
    const out = output("cd /root\necho one > f; sync; echo two >> f; sync; echo three > f; sync\nhammer history f\nundo f\nundo -d f");
    const ids = [...out.matchAll(/^ {4}([0-9a-f]{16}) .*$/gm)].map((m) => m[1]!);
    expect(ids.length).toBeGreaterThan(1);
    expect([...ids].sort()).toEqual(ids);
    // undo extracts the version before the newest: the two lines.
    expect(out).toMatch(/one\ntwo\n/);
    expect(out).toMatch(/^-one\n-two\n\+three$/m);
  });
});

const compiler = ((): boolean => {
  try {
    execFileSync("gcc", ["-m32", "-nostdlib", "-static", "-x", "c", "-", "-o", "/dev/null"], { input: "void _start(void) {}", stdio: "pipe" });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!compiler)(`the DragonFly/i386 ABI${compiler ? "" : " (skipped: needs gcc -m32)"}`, () => {
  it("registers, frames, structures and numbers are as the reference has them", async () => {
    const root = scratch();
    const builder = (await import(/* @vite-ignore */ path.join(checkout, "world/build.mjs"))) as {
      buildProgram(sources: readonly string[], output: string): Promise<void>;
    };
    const tests = path.join(checkout, "world/test");
    const sources = readdirSync(tests).filter((name) => name.endsWith(".c")).map((name) => path.join(tests, name));
    await builder.buildProgram(sources, path.join(root, "abi"));
    const r = vkernel(["run", "--root", root, "-w", "/", "--", "/abi"]);
    expect(r.stdout.split("\n").filter((line) => line.startsWith("FAILED"))).toEqual([]);
    expect(r.stdout).toMatch(/^0 failed$/m);
    expect(r.status).toBe(0);
  });
});
