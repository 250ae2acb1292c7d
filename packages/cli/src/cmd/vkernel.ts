// SPDX-License-Identifier: BSD-3-Clause
/**
 * The `vkernel` command line: vkernel(7)'s own flags on the top level, verbs below. Options before a verb belong
 * to vkernel; on `run` everything after PROGRAM belongs to the guest.
 * @module
 */
import { CPU_MODELS } from "@vkernel/vkernel";
import { Option, type Command } from "commander";
import { topCommand } from "../ui/command.ts";
import { endOnLostOutput } from "../ui/output.ts";
import { schemaPath } from "../machine-file.ts";
import { bootMachine, type BootOptions } from "./boot.ts";
import { bootClassic, type ClassicOptions } from "./classic.ts";
import { addControlCommands } from "./control/command.ts";
import { imageCommand } from "./image/command.ts";
import { runProgram, type RunOptions } from "./run.ts";
import { serveCommand } from "./serve/command.ts";
import { listSyscalls, type SyscallsOptions } from "./syscalls.ts";

/** --cpu, on both forms. */
const cpuOption = (): Option =>
  new Option("--cpu <name>", "processor that CPUID describes; its extensions and no others exist")
    .choices(Object.keys(CPU_MODELS))
    .default("max");
const collect = (value: string, list: string[] = []): string[] => [...list, value];

export function vkernelCommand(exit: (status: number) => void): Command {
  const vkernel = topCommand("vkernel")
    .description("a virtual kernel: boots a BSD-like kernel as one ordinary process")
    .usage("[options] | <command> …")
    .enablePositionalOptions()
    .option("-r <file[:serial]>", "HAMMER image to boot from, read and write (one disk)", collect)
    .option("-R <file[:serial]>", "the same, changes thrown away at the end", collect)
    .option("-c <file>", "CD image (refused: CDs cannot be booted from)", collect)
    .option("-m <size>", "memory of the virtual machine (k, m, g)", "256m")
    .addOption(cpuOption())
    .option("-i <file>", "file that receives the memory when the machine stops")
    .option("-e <name=value:…>", "set variables of the kernel environment; repeatable", collect)
    .option("-I <interface>", "network interface (refused: 'vkernel run --net' needs none)", collect)
    .option("-n <cpus>", "number of virtual CPUs (one is used)")
    .option("-p <file>", "write the process id to a file")
    .option("-s", "boot to single user mode")
    .option("-v", "verbose boot messages")
    .option("-U", "make kernel memory writable for users (accepted, no effect)")
    .addOption(new Option("-l <cpulock>", "CPU pinning (accepted, no effect)").hideHelp())
    .addOption(new Option("-t", "precise timer (accepted, no effect)").hideHelp())
    .addOption(new Option("-d", "hardware page tables off (accepted, no effect)").hideHelp())
    .addOption(new Option("-z", "zero memory first (accepted, no effect)").hideHelp())
    .addHelpText(
      "after",
      `
Without -r, -R or -c the embedded world is booted and changes stay in memory.
In this form -v is verbose and -p the pid file; on 'run' -v is a volume.

Examples:
  vkernel                                boot the embedded world to a shell
  vkernel -m 512m -r disk.img            boot from a HAMMER image
  vkernel run --root DIR -- /bin/ls -l   run one program, changes stay in memory
  vkernel image create disk.img --from DIR`,
    )
    .allowExcessArguments()
    .action(async (options: ClassicOptions, command: Command) => {
      if (command.args.length > 0) command.error(`unknown command '${command.args[0]}'`);
      exit(await bootClassic(options));
    });

  vkernel
    .command("run")
    .description("run one program in a fresh virtual kernel; its exit status is passed on")
    .usage("[options] [--] PROGRAM [ARG…]")
    .argument("<program>", "path in the guest, or a name looked up in its PATH")
    .argument("[args...]")
    .passThroughOptions()
    .option("--root <src>", "HAMMER image (changes persist), host directory (changes stay in memory) or DIR:rw")
    .option("-m, --memory <size>", "memory of the virtual machine", "512m")
    .option("--swap <file>", "disk image for pages that memory has no room for; repeatable ('truncate -s 1g FILE' makes one)", collect)
    .option("--changes <size>", "most memory for changes to a host directory used as root", "1g")
    .addOption(cpuOption())
    .option("-v, --volume <host:guest[:ro]>", "show a host directory in the guest; repeatable", collect)
    .option("-e, --env <k=v>", "environment variable; repeatable; K alone passes the host's value", collect)
    .option("--net", "let programs connect to wherever the host can; names are looked up as the host does")
    .option("-p, --publish <[addr:]host:guest[/udp]>", "lead a TCP or UDP port of the host (of 127.0.0.1 unless told) to one of the guest; repeatable", collect)
    .option("-w, --workdir <dir>", "working directory in the guest")
    .option("-u, --user <user>", "user name or uid[:gid] in the guest")
    .option("-i, --interactive", "pass standard input on even when it is a terminal")
    .option("-t, --tty", "give the program a terminal")
    .option("--export <path[:ro]>", "serve a directory of the guest to NFS clients; repeatable", collect)
    .option("--nfs-port <[addr:]port>", "TCP port of the host for these", "2049")
    .option("--name <name>", "a name for vkernel ps, exec, attach, logs and stop")
    .option("--time", "print wall, user and system time on standard error at the end")
    .option("--verbose", "show the kernel's messages on standard error")
    .option("--stats <file>", "write one JSON object of statistics at the end ('-' = standard error)")
    .addOption(
      new Option("--jit <when>", "compile guest code to WebAssembly: where it pays, never, or all of it")
        .choices(["on", "off", "always"])
        .default("on"),
    )
    .option("--lockstep <n>", "check compiled code against the interpreter every N instructions, 1 = at each of its exits; slow")
    .option("--trace <file>", "write each system call and signal, a line each ('-' = standard error)")
    .option("--dump-region <addr>", "print guest code, disassembly and WebAssembly of compiled regions that hold this address")
    .option("--trace-regions <file>", "write the last entries into compiled code and exits at the end ('-' = standard error)")
    .option("--jit-stats", "print what the compiler did, on standard error at the end")
    .option("--gdb <port>", "wait for gdb on this port of the loopback interface, and start the program stopped")
    .addHelpText(
      "after",
      `
Exit status: the program's; 128+N when signal N ended it; 125 own error, 126 not executable, 127 not found.

Examples:
  vkernel run uname -a
  vkernel run --root debian/ -- /bin/bash -c 'echo $((6*7))'
  vkernel run --root disk.img -v .:/src:ro -w /src -- /bin/ls
  vkernel run --root debian/ -p 8080:80 -- /usr/sbin/nginx -g 'daemon off;'

The guest has a loopback interface of its own. With --net or -p it also has the address 10.0.2.15; the host's own loopback
is 10.0.2.2 there, and 10.0.2.3 answers for the host's name servers.`,
    )
    .action(async (program: string, args: string[], options: RunOptions) =>
      exit(await runProgram(program, args, options)),
    );

  vkernel
    .command("boot")
    .description("boot the machine that a machine file describes; ends with the status of its start command")
    .usage("[options] NAME | -f FILE")
    .argument("[name]", "NAME.json in $XDG_CONFIG_HOME/vkernel (~/.config/vkernel)")
    .option("-f, --file <file>", "machine file")
    .option("--verbose", "show the kernel's messages on standard error")
    .addHelpText(
      "after",
      `
A machine file is JSON; paths in it are relative to the file. Its schema: ${schemaPath()}

  {
    "version": 1,
    "memory": "512m",
    "disks": [{ "source": "root.img" }, { "source": "data.img", "on": "/data" }],
    "shares": [{ "host": "src", "guest": "/src", "readOnly": true }],
    "network": { "outgoing": true, "publish": [{ "host": 8080, "guest": 80 }] },
    "exports": { "paths": [{ "path": "/data" }] },
    "environment": { "LANG": "C.UTF-8" },
    "start": ["/usr/sbin/nginx", "-g", "daemon off;"]
  }

Exit status: as of vkernel run.`,
    )
    .action(async (name: string | undefined, options: BootOptions) => exit(await bootMachine(name, options)));

  vkernel
    .command("syscalls")
    .hook("preAction", () => endOnLostOutput("vkernel"))
    .description("list the system calls that programs find: whole, partial (with what is missing), or not there")
    .option("--abi <name>", "linux or dragonfly; both unless told")
    .option("--support <what>", "only full, partial or none")
    .option("--json", "one JSON array")
    .action((options: SyscallsOptions) => listSyscalls(options));

  vkernel.addCommand(imageCommand());
  vkernel.addCommand(serveCommand(exit));
  addControlCommands(vkernel, exit);
  return vkernel;
}
