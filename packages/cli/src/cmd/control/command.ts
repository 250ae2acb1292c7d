// SPDX-License-Identifier: BSD-3-Clause
/** Commands for running machines: ps, exec, attach, logs, stop. */
import type { Command } from "commander";
import type { ProcessInfo } from "@vkernel/vkernel";
import { ask, openMachine, readMessage, runningMachines } from "../../control/client.ts";
import { DATA, MESSAGE, onFrames, sendMessage, type Request } from "../../control/frames.ts";
import { CliError } from "../../ui/errors.ts";
import { endOnLostOutput } from "../../ui/output.ts";
import { visible } from "../../ui/visible.ts";
import { display } from "../image/open.ts";
import { attachToMachine, execInMachine, type ExecOptions } from "./session.ts";

const VERSION = { command: "vkernel ps", major: 1, minor: 0 };

/** Rows as columns that line up. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join("  ")).join("\n");
}

async function listMachines(json: boolean): Promise<void> {
  const machines = await runningMachines();
  if (json) {
    process.stdout.write(`${JSON.stringify({ output_version: VERSION, machines })}\n`);
    return;
  }
  const rows = machines.map((m) => [m.name, String(m.pid), m.kind, new Date(m.started).toISOString(), visible(m.command)]);
  process.stdout.write(`${table([["NAME", "PID", "KIND", "STARTED", "COMMAND"], ...rows])}\n`);
}

async function listProcesses(name: string, json: boolean): Promise<void> {
  const processes = (await ask(name, await openMachine(name), { op: "ps" })) as ProcessInfo[];
  if (json) {
    process.stdout.write(`${JSON.stringify({ output_version: VERSION, machine: name, processes })}\n`);
    return;
  }
  const rows = processes.map((p) => [String(p.pid), String(p.ppid), String(p.uid), p.state, p.time.toFixed(2), display(p.command)]);
  process.stdout.write(`${table([["PID", "PPID", "UID", "STATE", "TIME", "COMMAND"], ...rows])}\n`);
}

/** Has a machine carry a request out, until it hangs up. Throws RefusedError when it answers with a failure. */
async function carryOut(name: string, request: Request, onData: (bytes: Buffer) => void): Promise<void> {
  const socket = await openMachine(name);
  await new Promise<void>((resolve, reject) => {
    onFrames(socket, (type, payload) => {
      if (type === DATA) onData(payload);
      else if (type === MESSAGE) {
        try {
          readMessage(name, payload);
        } catch (error) {
          reject(error as Error);
        }
      }
    });
    socket.once("error", reject);
    socket.once("close", () => resolve());
    sendMessage(socket, request);
  });
}

async function showLogs(name: string, follow: boolean): Promise<void> {
  await carryOut(name, { op: "logs", follow }, (bytes) => process.stdout.write(Buffer.from(bytes)));
}

async function stopMachine(name: string, time: string): Promise<void> {
  const seconds = Number(time);
  if (!Number.isFinite(seconds) || seconds < 0) throw new CliError("--time", `'${time}' is no number of seconds`);
  try {
    await carryOut(name, { op: "stop", seconds }, () => {});
  } catch (error) {
    // A machine that ends before it has read the request has ended all the same.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ECONNRESET" && code !== "EPIPE") throw error;
  }
}

/** Adds the commands to `vkernel`. */
export function addControlCommands(vkernel: Command, exit: (status: number) => void): void {
  const collect = (value: string, list: string[] = []): string[] => [...list, value];
  const watchOutput = (): void => endOnLostOutput("vkernel");
  vkernel
    .command("ps")
    .hook("preAction", watchOutput)
    .description("list running machines, or the processes of one")
    .argument("[name]", "machine; all of them unless given")
    .option("--json", "one JSON object")
    .action((name: string | undefined, options: { json?: boolean }) =>
      name === undefined ? listMachines(options.json === true) : listProcesses(name, options.json === true),
    );
  vkernel
    .command("exec")
    .description("run a program in a running machine; its exit status is passed on")
    .usage("[options] NAME PROGRAM [ARG…]")
    .argument("<name>", "machine, as vkernel ps lists it")
    .argument("<program>", "path in the guest, or a name looked up in its PATH")
    .argument("[args...]")
    .passThroughOptions()
    .option("-e, --env <k=v>", "environment variable; repeatable", collect)
    .option("-w, --workdir <dir>", "working directory in the guest")
    .option("-u, --user <user>", "user name or uid[:gid] in the guest")
    .option("-T, --no-tty", "streams and no terminal, though the caller has one")
    .addHelpText("after", "\nExit status: as of vkernel run; 125 also when the machine does not answer.")
    .action(async (name: string, program: string, args: string[], options: ExecOptions) =>
      exit(await execInMachine(name, program, args, options)),
    );
  vkernel
    .command("attach")
    .description("watch and type into a machine's console; ~. at the beginning of a line leaves")
    .argument("<name>", "machine")
    .action(async (name: string) => exit(await attachToMachine(name)));
  vkernel
    .command("logs")
    .hook("preAction", watchOutput)
    .description("print what a machine has written, as far as it is kept (1 MiB)")
    .argument("<name>", "machine")
    .option("-f, --follow", "go on as more is written")
    .action((name: string, options: { follow?: boolean }) => showLogs(name, options.follow === true));
  vkernel
    .command("stop")
    .description("shut a machine down in order, and wait until it has ended")
    .argument("<name>", "machine")
    .option("-t, --time <seconds>", "end it at once when it has not ended by then", "10")
    .action((name: string, options: { time: string }) => stopMachine(name, options.time));
}
