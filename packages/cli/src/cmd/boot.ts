// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel boot`: the machine that a machine file describes. */
import { statSync } from "node:fs";
import path from "node:path";
import { CPU_MODELS, type CpuModelName, type MountSpec } from "@vkernel/vkernel";
import { toByteString } from "@vkernel/hammer";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { machineFileOf, readMachineFile, type MachineFile } from "../machine-file.ts";
import { bracketed } from "../network.ts";
import { rootSource, volume } from "../root-source.ts";
import { CliError } from "../ui/errors.ts";
import { runProgram, type RunOptions } from "./run.ts";

export interface BootOptions {
  readonly file?: string;
  readonly verbose?: boolean;
}

const INIT = "/sbin/init";

function cpuName(file: string, name: string): CpuModelName {
  if (name in CPU_MODELS) return name as CpuModelName;
  throw new CliError(`${file}: cpu`, `'${name}' is no processor`, Object.keys(CPU_MODELS).join(", "));
}

/** A disk as --root would take it. Images persist and directories do not, unless it says otherwise. */
function diskSpec(dir: string, { source, mode }: MachineFile["disks"][number]): string {
  const file = path.resolve(dir, source);
  const isDirectory = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  if (isDirectory) return mode === "rw" ? `${file}:rw` : file;
  return mode === "discard" ? `${file}:ro` : file;
}
const isReadOnly = (disk: MachineFile["disks"][number]): { readOnly?: boolean } => (disk.mode === "ro" ? { readOnly: true } : {});

/** Boots the machine of that name, or of the file; resolves to the exit status of its start command. */
export async function bootMachine(name: string | undefined, options: BootOptions): Promise<number> {
  if ((name === undefined) === (options.file === undefined)) {
    throw new CliError("boot", "which machine?", "a name, or -f FILE");
  }
  const file = options.file ?? machineFileOf(name!);
  const machine = await readMachineFile(file);
  const dir = path.dirname(path.resolve(file));
  const platform = new NodePlatform();
  const further: MountSpec[] = machine.disks.slice(1).map((disk) => ({
    on: toByteString(disk.on!), create: true, mount: rootSource(platform, diskSpec(dir, disk), isReadOnly(disk)).mount,
  }));
  const shares = (machine.shares ?? []).map((share) => ({
    ...volume(`${path.resolve(dir, share.host)}:${share.guest}${share.readOnly === true ? ":ro" : ""}`), create: true,
  }));
  const [program = INIT, ...args] = machine.start ?? [];
  const run: RunOptions = {
    root: diskSpec(dir, machine.disks[0]!),
    rootOptions: isReadOnly(machine.disks[0]!),
    memory: machine.memory ?? "512m",
    cpu: cpuName(file, machine.cpu ?? "max"),
    mounts: [...further, ...shares],
    env: Object.entries(machine.environment ?? {}).map(([key, value]) => `${key}=${value}`),
    net: machine.network?.outgoing === true,
    publish: (machine.network?.publish ?? []).map((p) => `${bracketed(p.address ?? "127.0.0.1")}:${p.host}:${p.guest}`),
    name: machine.name ?? name ?? path.basename(file, ".json"),
    kind: "boot",
    init: machine.start === undefined,
    jit: "on",
    ...(machine.workdir === undefined ? {} : { workdir: machine.workdir }),
    ...(machine.user === undefined ? {} : { user: machine.user }),
    ...(options.verbose === undefined ? {} : { verbose: options.verbose }),
    ...(machine.exports === undefined
      ? {}
      : {
          export: machine.exports.paths.map((e) => `${e.path}${e.readOnly === true ? ":ro" : ""}`),
          nfsPort: `${bracketed(machine.exports.address ?? "127.0.0.1")}:${machine.exports.port ?? 2049}`,
        }),
  };
  return runProgram(program, args, run);
}
