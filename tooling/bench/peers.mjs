// The peers: how each of them runs a guest command in the guest root.
//
// A peer either runs one command at a time (`exec`: argument vector in, output out) or boots a machine that runs a list
// of shell commands (`boot`). All of them see the same files at the same paths.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { output } from "../apt.mjs";
import { inRoot } from "../namespace.mjs";
import { root as checkout } from "../pnpm.mjs";
import { runCommand } from "./run.mjs";

const vkernelCommand = path.join(checkout, "packages", "cli", "bin", "vkernel.js");
const GUEST_MEMORY_MIB = 1024;
const SCRATCH = "/bench/tmp";

const firstLine = (text) => text.trim().split("\n")[0];

function native(rootfs) {
  return {
    name: "native",
    prepare: () => ({ version: `${os.type()} ${os.release()}, ${os.cpus()[0].model.trim()}` }),
    exec: (argv, seconds) => runCommand(inRoot(rootfs, SCRATCH, argv), { seconds }),
  };
}

function qemuUser(rootfs, inputs) {
  let qemu;
  return {
    name: "qemu-user",
    prepare() {
      qemu = inputs.qemuUser();
      return { version: firstLine(output(qemu, ["--version"])) };
    },
    exec: (argv, seconds) => runCommand(inRoot(rootfs, SCRATCH, argv, qemu), { seconds }),
  };
}

function vkernel(rootfs) {
  const { version } = JSON.parse(readFileSync(path.join(checkout, "packages/cli/package.json"), "utf8"));
  return {
    name: "vkernel",
    prepare: () => ({ version: `${version}, Node ${process.versions.node}` }),
    exec: (argv, seconds) =>
      runCommand(
        [
          process.execPath,
          vkernelCommand,
          "run",
          "--root",
          rootfs,
          "-m",
          `${GUEST_MEMORY_MIB}m`,
          "--",
          ...argv,
        ],
        { seconds },
      ),
  };
}

function v86(guest, inputs) {
  let parts;
  return {
    name: "v86",
    boots: true,
    // shorter passes measure its interpreter
    leastMs: 200,
    prepare() {
      parts = inputs.v86();
      return { version: `v86 ${parts.version}, Node ${process.versions.node}` };
    },
    exec: (commands, seconds) =>
      runCommand(
        [
          ...[process.execPath, path.join(inputs.shared, "run-v86.mjs"), "--v86", parts.build],
          ...["--bios", parts.bios, "--vgabios", parts.vgaBios, "--mem", String(GUEST_MEMORY_MIB)],
          ...["--kernel", path.join(guest, "vmlinuz"), "--initrd", path.join(guest, "initramfs.cpio")],
          ...["--timeout", String(seconds), ...commands],
        ],
        { seconds: seconds + 60 },
      ),
  };
}

function uml(guest, inputs) {
  let program;
  return {
    name: "uml",
    boots: true,
    leastMs: 0,
    prepare() {
      program = inputs.uml();
      return { version: `User-mode Linux ${firstLine(output(program, ["--version"]))}, 32-bit` };
    },
    exec: (commands, seconds) =>
      runCommand(["bash", path.join(inputs.shared, "run-uml.sh"), guest, program, ...commands], {
        seconds: seconds + 60,
        env: { LIMIT: String(seconds), MEM: String(GUEST_MEMORY_MIB) },
      }),
  };
}

/** A user-mode emulator that takes a root as iSH does: `program -r ROOT COMMAND`. It writes through to the root. */
function ish(guest, inputs, program) {
  return {
    name: "ish",
    boots: true,
    leastMs: 0,
    // a Go program does not come to an end there
    skip: ["esbuild_bundle"],
    prepare() {
      if (program === undefined)
        throw new Error("no Debian or npm package; build it and give its path with --ish");
      const commit = spawnSync("git", ["-C", path.dirname(program), "log", "-1", "--format=%h of %cs"], { encoding: "utf8" });
      return { version: commit.status === 0 ? `iSH, commit ${firstLine(commit.stdout)}` : "iSH, given" };
    },
    exec: (commands, seconds) =>
      runCommand(["bash", path.join(inputs.shared, "run-ish.sh"), guest, program, ...commands], {
        seconds: seconds + 60,
        env: { LIMIT: String(seconds) },
      }),
  };
}

/** Peers that are always visited, and those that `--peer` adds. */
export const USUAL_PEERS = ["native", "qemu-user", "vkernel"];
export const MORE_PEERS = ["v86", "uml", "ish"];

/** `rootfs`: what direct peers see; `guest`: folder with the images that booting peers need, or null. */
export function makePeer(name, { rootfs, guest, inputs, ishProgram }) {
  if (MORE_PEERS.includes(name) && guest === null) throw new Error("needs the guest root");
  switch (name) {
    case "native":
      return native(rootfs);
    case "qemu-user":
      return qemuUser(rootfs, inputs);
    case "vkernel":
      return vkernel(rootfs);
    case "v86":
      return v86(guest, inputs);
    case "uml":
      return uml(guest, inputs);
    case "ish":
      return ish(guest, inputs, ishProgram);
    default:
      throw new Error(`no such peer; there are ${[...USUAL_PEERS, ...MORE_PEERS].join(", ")}`);
  }
}
