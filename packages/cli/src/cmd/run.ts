// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel run`: a fresh kernel whose first user process is the program given. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { bootKernel, BootError, NFS_PORT, type CpuModelName, type MountSpec, type RunResult, type VirtualKernel } from "@vkernel/vkernel";
import { isHammerError, toByteString } from "@vkernel/hammer";
import { FileDevice } from "@vkernel/hammer/node";
import { ControlServer } from "../control/server.ts";
import { SharedPlatform } from "../control/shared-terminal.ts";
import { holdsHammer } from "../holds-hammer.ts";
import { cpuDebug, reportCpuDebug, type CpuDebugOptions } from "../cpu-debug.ts";
import { awaitGdb } from "../gdb-link.ts";
import { network } from "../network.ts";
import { nfsExports } from "../nfs-export.ts";
import { panicked, ramBytes, standardMounts } from "../machine.ts";
import { rootSource, volume, type RootOptions } from "../root-source.ts";
import { guestUser } from "../users.ts";
import { tuneForRegions } from "../v8-flags.ts";
import { CliError } from "../ui/errors.ts";
import { parseSize } from "../ui/size.ts";

export interface RunOptions extends CpuDebugOptions {
  readonly root?: string;
  readonly memory: string;
  readonly changes?: string;
  readonly swap?: string[];
  readonly cpu: CpuModelName;
  readonly volume?: string[];
  readonly env?: string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly time?: boolean;
  readonly stats?: string;
  readonly verbose?: boolean;
  readonly gdb?: string;
  readonly jit: JitWhen;
  readonly trace?: string;
  readonly net?: boolean;
  readonly publish?: string[];
  readonly name?: string;
  /** How the machine was started, for those who list it. */
  readonly kind?: string;
  readonly export?: string[];
  readonly nfsPort?: string;
  readonly rootOptions?: RootOptions;
  /** Further file systems. */
  readonly mounts?: readonly MountSpec[];
  /** The program is init. */
  readonly init?: boolean;
}

/** When guest code is compiled: never, where it runs often, or all that runs. */
export type JitWhen = "off" | "on" | "always";
const JIT: Readonly<Record<JitWhen, { readonly threshold?: number }>> = {
  off: { threshold: Infinity },
  on: {},
  always: { threshold: 0 },
};

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The environment of the first program: what every program expects, then what was asked for. */
function environment(options: RunOptions, home: string, user: string, tty: boolean): string[] {
  const env = new Map([
    ["PATH", PATH],
    ["HOME", home],
    ["USER", user],
    ["LOGNAME", user],
  ]);
  if (tty) env.set("TERM", process.env["TERM"] ?? "vt100");
  for (const setting of options.env ?? []) {
    const cut = setting.indexOf("=");
    if (cut === 0) throw new CliError("-e", `'${setting}' has no name`, "NAME=VALUE, or NAME to pass the host's value");
    if (cut > 0) env.set(setting.slice(0, cut), setting.slice(cut + 1));
    else if (process.env[setting] !== undefined) env.set(setting, process.env[setting]);
  }
  return [...env].map(([name, value]) => toByteString(`${name}=${value}`));
}

const PAGE_SIZE = 4096;

/** Deaths that shells do not comment on. Native numbers. */
const SIGINT = 2;
const SIGPIPE = 13;

/** Exit status of `vkernel run` when the failure is its own. */
const EX_OWN = 125;

const STATUS: Partial<Record<string, number>> = { ENOENT: 127, EACCES: 126, ENOEXEC: 126 };

/** What the exit status of this command is, given how the program ended. */
function exitStatus(program: string, result: RunResult): number {
  if (result.signal === 0) return result.status;
  const quiet = result.signal === SIGINT || result.signal === SIGPIPE;
  if (!quiet) process.stderr.write(`vkernel: ${program}: ${result.signalText}\n`);
  return 128 + result.guestSignal;
}

function seconds(value: number): string {
  return value.toFixed(3);
}

function printTimes(vk: VirtualKernel): void {
  const { wall, user, system } = vk.stats();
  process.stderr.write(`real ${seconds(wall)}\nuser ${seconds(user)}\nsys ${seconds(system)}\n`);
}

function writeStats(vk: VirtualKernel, file: string): void {
  const text = `${JSON.stringify(vk.stats())}\n`;
  if (file === "-") process.stderr.write(text);
  else writeFileSync(file, text);
}

/** Lines of a trace that are kept before they are written. */
const TRACE_PIECE = 1 << 16;

/** Where a trace goes: to standard error line by line, to a file in pieces. Throws CliError. */
function traceTo(file: string): { write(line: string): void; end(): void } {
  if (file === "-") return { write: (line) => process.stderr.write(`${line}\n`), end: () => {} };
  let fd: number;
  try {
    fd = openSync(file, "w");
  } catch (error) {
    throw new CliError("--trace", (error as Error).message, "a file that can be written, or '-'");
  }
  let text = "";
  const flush = (): void => {
    writeSync(fd, text);
    text = "";
  };
  return {
    write(line) {
      text += `${line}\n`;
      if (text.length > TRACE_PIECE) flush();
    },
    end() {
      flush();
      closeSync(fd);
    },
  };
}

/** The image of --swap, for which a file system is too good. Throws CliError. */
export function swapFile(file: string): FileDevice {
  let disk: FileDevice;
  try {
    disk = new FileDevice(file, { readOnly: false });
  } catch (error) {
    if (!isHammerError(error)) throw error;
    throw new CliError("--swap", error.message, error.code === "ENOENT" ? `truncate -s 1g ${file}` : undefined);
  }
  try {
    if (disk.size < PAGE_SIZE) throw new CliError("--swap", `${file} has no room for a page`, `truncate -s 1g ${file}`);
    if (holdsHammer(disk)) throw new CliError("--swap", `${file} holds a HAMMER file system`, "pages would overwrite it: name another file");
    return disk;
  } catch (error) {
    disk.close();
    throw error;
  }
}

/** Runs the program; resolves to the exit status of the command. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<number> {
  const control = options.name === undefined ? null : await ControlServer.listen(options.name, options.kind ?? "run");
  const platform = control === null ? new NodePlatform() : new SharedPlatform();
  const tty = options.tty === true || platform.terminal.isTTY;
  if (options.tty === true && !platform.terminal.isTTY) {
    throw new CliError("-t", "standard input and output are not a terminal", "leave -t out");
  }
  const ram = ramBytes(options.memory);
  const volumes = (options.volume ?? []).map((spec) => ({ ...volume(spec), create: true }));
  const trace = options.trace === undefined ? null : traceTo(options.trace);
  const served = options.export === undefined ? null : nfsExports(options.export, options.nfsPort ?? String(NFS_PORT));
  const net = await network(options.net === true, options.publish ?? [], served === null ? [] : [served.port]);
  const gdb = options.gdb === undefined ? null : await awaitGdb(options.gdb);
  const root = rootSource(platform, options.root, {
    ...options.rootOptions,
    ...(options.changes === undefined ? {} : { changes: parseSize(options.changes, "--changes") }),
  });
  let vk: VirtualKernel;
  const swap: FileDevice[] = [];
  try {
    for (const file of options.swap ?? []) swap.push(swapFile(file));
    const user = guestUser(options.user, (file) => root.text(file));
    vk = await bootKernel({
      platform,
      ramBytes: ram,
      cpu: options.cpu,
      root: root.mount,
      swap,
      mounts: [...standardMounts(), ...volumes, ...(options.mounts ?? [])],
      ...(served === null ? {} : { nfs: served.nfs }),
      jit: JIT[options.jit],
      ...cpuDebug(options),
      log: (line) => {
        if (options.verbose === true) process.stderr.write(`vkernel: ${line}\n`);
      },
      warn: (line) => {
        if (options.verbose !== true) process.stderr.write(`vkernel: ${line}\n`);
      },
      ...(gdb === null ? {} : { debug: gdb }),
      ...(trace === null ? {} : { trace: trace.write }),
      ...(net === null ? {} : { network: net }),
      first: {
        path: toByteString(program),
        argv: [program, ...args].map(toByteString),
        env: environment(options, user.home, user.name, tty),
        ...(options.workdir === undefined ? {} : { cwd: toByteString(options.workdir) }),
        uid: user.uid,
        gid: user.gid,
        groups: user.groups,
        // init opens the console itself.
        stdio: options.init === true ? "none" : tty ? "console" : "streams",
        ...(options.init === true ? { init: true } : {}),
      },
    });
  } catch (error) {
    control?.close();
    for (const disk of swap) disk.close();
    root.close();
    gdb?.end();
    trace?.end();
    if (!(error instanceof BootError)) throw error;
    const why = error.message.startsWith(`${program}: `) ? error.message.slice(program.length + 2) : error.message;
    throw new CliError(program, why, undefined, STATUS[error.code] ?? EX_OWN, error);
  }
  tuneForRegions();
  if (platform instanceof SharedPlatform) {
    control?.attach({ vk, terminal: platform.terminal, user: (spec) => guestUser(spec, (file) => root.text(file)) });
  }
  let result: RunResult;
  try {
    result = await vk.run();
  } catch (error) {
    const status = panicked(error);
    reportCpuDebug(vk, options);
    return status;
  } finally {
    for (const disk of swap) disk.close();
    control?.close();
    gdb?.end();
    trace?.end();
  }
  reportCpuDebug(vk, options);
  if (options.time === true) printTimes(vk);
  if (options.stats !== undefined) writeStats(vk, options.stats);
  return exitStatus(program, result);
}
