#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Samba's own tests: node packages/cli/scripts/smbtorture.js --image IMAGE [--smbtorture PROGRAM] [--suite NAME]… [--natively ROOT]
 *
 * Runs suites of Debian's smbtorture (package samba-testsuite) against the smbd of a copy of IMAGE in the vkernel and, with --natively,
 * against the same smbd on this processor: ROOT is the system of the image in a folder, which is changed (`image export IMAGE / | tar x`;
 * needs root, since smbd changes users). Prints the outcome of every test; where two servers were asked, a test that passes natively and
 * not in the vkernel is a failure, and the exit status 1.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { bin, LoadedServer } from "./load-common.js";

/** Those that ask for nothing that a share without extended attributes, streams and kernel oplocks cannot have. */
const BASIC = ["connect", "tcon", "session-id", "credits", "create", "read", "rw", "dir", "getinfo", "setinfo", "lock", "mkdir", "rename", "compound", "compound_find", "sharemode", "notify", "timestamps", "maxfid"];
const { values } = parseArgs({
  options: {
    image: { type: "string" }, smbtorture: { type: "string", default: "smbtorture" }, natively: { type: "string" },
    suite: { type: "string", multiple: true, default: BASIC.map((name) => `smb2.${name}`) },
    seconds: { type: "string", default: "300" }, port: { type: "string", default: "24451" }, verbose: { type: "boolean", default: false },
  },
});
if (values.image === undefined) {
  process.stderr.write("usage: smbtorture.js --image IMAGE [--natively ROOT] … (make one: vkernel image create IMAGE --debian samba)\n");
  process.exit(2);
}
const USER = "torture";
const PASSWORD = "torture";
const SHARE = "/srv/torture";
const dir = mkdtempSync(path.join(os.tmpdir(), "vkernel-torture-"));
const env = { ...process.env, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir };
const image = path.join(dir, "torture.img");
const password = path.join(dir, "password");
writeFileSync(password, `${PASSWORD}\n`);
const server = new LoadedServer("smbtorture", ["smb", `${image}:${SHARE}`, "--port", values.port, "--user", USER, "--password-file", password, "--snapshot-every", "never"], "smbclient:", env);

/** $ROOT: the system, $PORT; then the command, against its smbd. All that was started ends with the namespace. */
const NATIVE = `set -e
ip link set lo up; mount --make-rprivate /
mount -t tmpfs tmpfs "$ROOT/run"; mkdir "$ROOT/run/samba"; mount --rbind /dev "$ROOT/dev"; mount -t proc proc "$ROOT/proc"
chroot "$ROOT" /usr/sbin/smbd -s /etc/samba/vkernel.conf -p "$PORT" -F --no-process-group --debug-stdout -d 0 < /dev/null > /dev/null 2>&1 &
for i in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2> /dev/null && break; sleep 0.1; done
"$@"`;

/** Runs a suite; test -> "success", "failure", "error", "skip", as it reports them (subunit's words). */
function run(argv, more) {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...more }, timeout: Number(values.seconds) * 1000, killSignal: "SIGKILL" });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (text += bytes));
    child.once("error", reject);
    child.once("close", (status, signal) => {
      if (values.verbose) process.stderr.write(text);
      const tests = new Map([...text.matchAll(/^(success|failure|error|skip): (\S+)/gm)].map((m) => [m[2], m[1]]));
      if (signal !== null) tests.set("(whole suite)", "stopped");
      else if (tests.size === 0) tests.set("(whole suite)", `status ${status}: ${text.trim().split("\n").at(-1)}`);
      resolve(tests);
    });
  });
}
const torture = (suite) => [values.smbtorture, "-s", "/dev/null", "-p", values.port, "-U", `${USER}%${PASSWORD}`, `//127.0.0.1/${path.basename(SHARE)}`, suite];
const natively = (suite) => run(["unshare", "-m", "-n", "-p", "-f", "--kill-child", "bash", "-c", NATIVE, "smbd", ...torture(suite)], { ROOT: path.resolve(values.natively), PORT: values.port });

let failures = 0;
let passed = 0;
try {
  const copy = spawnSync("cp", ["--sparse=always", values.image, image], { stdio: "inherit" });
  if (copy.status !== 0) throw new Error(`${values.image}: cannot be copied`);
  await server.start();
  if (values.natively !== undefined) {
    // The same user, password, share and configuration as in the image.
    for (const file of ["/etc/samba/vkernel.conf", "/var/lib/samba/private/passdb.tdb", "/etc/passwd", "/etc/group", "/etc/shadow"]) {
      const text = spawnSync(process.execPath, [bin("vkernel"), "exec", "smb-" + values.port, "cat", file], { env });
      if (text.status !== 0) throw new Error(`${file}: ${text.stderr}`);
      writeFileSync(path.join(values.natively, file), text.stdout);
    }
    spawnSync("sh", ["-c", 'mkdir -p "$0$1" && chown "$(grep "^$2:" "$0/etc/passwd" | cut -d: -f3)" "$0$1"', values.natively, SHARE, USER], { stdio: "inherit" });
  }
  for (const suite of values.suite) {
    const native = values.natively === undefined ? null : await natively(suite);
    const guest = await run(torture(suite), {});
    for (const test of new Set([...(native?.keys() ?? []), ...guest.keys()])) {
      const outcomes = [guest.get(test) ?? "absent", native?.get(test) ?? "absent"];
      const lost = native !== null && outcomes[1] === "success" && outcomes[0] !== "success";
      if (lost) failures++;
      if (outcomes[0] === "success") passed++;
      console.log(`${lost ? "LOST " : ""}${suite} ${test}: ${outcomes[0]}${native === null ? "" : `, natively ${outcomes[1]}`}`);
    }
  }
  console.log(`${passed} passed in the vkernel, ${failures} that pass natively did not`);
} finally {
  await server.end("SIGTERM");
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
