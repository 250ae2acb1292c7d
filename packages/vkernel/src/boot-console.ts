// SPDX-License-Identifier: BSD-3-Clause
/** The console device and the standard descriptors of the first process. */
import type { HostTerminal } from "@vkernel/hostkernel";
import type { Cdev, Devsw } from "./dev/cdev.ts";
import { CONSOLE_RDEV, StreamDev, TtyConsole } from "./dev/cons.ts";
import type { Lwp } from "./kern/proc.ts";
import { acquireTty } from "./kern/tty-jobctl.ts";
import { VnodeFile } from "./kern/vnode-file.ts";
import { FREAD, FWRITE } from "./sys/fcntl.ts";
import { makedev } from "./sys/stat.ts";
import { DevfsMount } from "./vfs/devfs/devfs.ts";
import { cacheDrop, type Nchandle } from "./vfs/namecache.ts";
import { Nlookup, nlookup } from "./vfs/nlookup.ts";
import { fhold } from "./kern/file.ts";
import { Errno } from "./sys/errno.ts";

export type StdioKind = "console" | "streams" | "none";

/** Names and numbers of the devices: the terminal or standard streams, and standard error. */
interface ConsoleNames {
  readonly name: string;
  readonly rdev: number;
  readonly errorName: string;
  readonly errorRdev: number;
}
/** The console; its driver's last unit is the host's standard error. */
const CONSOLE: ConsoleNames = { name: "console", rdev: CONSOLE_RDEV, errorName: "conserr", errorRdev: makedev(0, 255) };

const SESSION_MAJOR = 250;
/** Terminal and streams number `unit` of programs that are started from outside while the system runs. */
export function sessionNames(unit: number): ConsoleNames {
  return {
    name: `session${unit}`, rdev: makedev(SESSION_MAJOR, 2 * unit), errorName: `session${unit}err`, errorRdev: makedev(SESSION_MAJOR, 2 * unit + 1),
  };
}

export class ConsoleSet {
  readonly console: TtyConsole | StreamDev;
  private readonly error: StreamDev;
  private readonly now: () => number;
  private readonly devsw: Devsw;

  /** Makes the devices: a terminal when the host has one and `streams` does not forbid it. */
  constructor(terminal: HostTerminal, devsw: Devsw, now: () => number, streams: boolean, names = CONSOLE) {
    this.now = now;
    this.devsw = devsw;
    this.console =
      terminal.isTTY && !streams
        ? new TtyConsole(terminal, now, names.name, names.rdev)
        : new StreamDev(names.name, names.rdev, terminal.input, terminal.output);
    this.error = new StreamDev(names.errorName, names.errorRdev, null, terminal.error);
    devsw.add(this.console);
    devsw.add(this.error);
  }

  /** Opens descriptors 0, 1 and 2. A terminal becomes the controlling terminal of the process's session. */
  openStdio(lp: Lwp, kind: StdioKind): void {
    if (kind === "none") return;
    const fdp = lp.proc.fd!;
    if (this.console instanceof TtyConsole) {
      const fp = this.open(lp, this.console, FREAD | FWRITE);
      for (let i = 0; i < 3; i++) fdp.install(lp, i === 0 ? fp : fhold(fp), false);
      acquireTty(lp, this.console.tty);
      return;
    }
    fdp.install(lp, this.open(lp, this.console, FREAD), false);
    fdp.install(lp, this.open(lp, this.console, FWRITE), false);
    fdp.install(lp, this.open(lp, this.error, FWRITE), false);
  }

  private open(lp: Lwp, dev: Cdev, flags: number): VnodeFile {
    const nch = this.nameOf(lp, dev);
    try {
      return new VnodeFile(flags, nch, dev.open(flags));
    } finally {
      cacheDrop(nch);
    }
  }

  /** The device's name in /dev; a name of its own when the root has no /dev. */
  private nameOf(lp: Lwp, dev: Cdev): Nchandle {
    const { k, proc } = lp;
    const { mounts } = k;
    try {
      const nch = nlookup(new Nlookup(proc.cred, mounts.root, mounts.root), `/dev/${dev.name}`, 0);
      if (nch.mount instanceof DevfsMount) return nch;
      cacheDrop(nch);
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
    }
    const devfs = new DevfsMount(k.devsw, this.now);
    const dir = devfs.root();
    return mounts.cache.makeDetached(devfs, dev.name, dir.lookup(dev.name)!, null);
  }

  /** The terminal has output that the host has not taken yet. */
  get hasOutput(): boolean {
    return this.console instanceof TtyConsole && this.console.tty.outq.count > 0;
  }

  /** The terminal's other end is gone: its session is told, and the devices go. */
  hangup(): void {
    if (this.console instanceof TtyConsole) this.console.tty.hangup();
    this.detach();
    this.devsw.remove(this.console);
    this.devsw.remove(this.error);
  }

  /** Gives the host's terminal back. */
  detach(): void {
    if (this.console instanceof TtyConsole) this.console.detach();
  }
}
