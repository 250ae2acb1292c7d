// SPDX-License-Identifier: BSD-3-Clause
/**
 * A guest without a user in front of it: its standard streams are the caller's, not the terminal's. `image create` and `serve` run their programs this way.
 * @module
 */
import type { HostInput, HostOutput, HostPlatform, HostSignalName, HostTerminal, WindowSize } from "@vkernel/hostkernel";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { toByteString } from "@vkernel/hammer";
import { bootKernel, BootError, type MountSpec, type NetworkOptions, type VirtualKernel } from "@vkernel/vkernel";
import { standardMounts } from "../machine.ts";
import { imageRoot } from "../root-source.ts";
import { SharedTerminal } from "../control/shared-terminal.ts";
import { CliError } from "../ui/errors.ts";
import { type GuestUser, guestUser } from "../users.ts";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Text from outside, and then its end. */
class FixedInput implements HostInput {
  readonly isTTY = false;
  readonly #bytes: Uint8Array;
  #sink: ((bytes: Uint8Array | null) => void) | null = null;
  #given = false;

  constructor(bytes: Uint8Array) { this.#bytes = bytes; }

  onInput(sink: (bytes: Uint8Array | null) => void): void {
    this.#sink = sink;
    this.resume();
  }
  pause(): void {}
  resume(): void {
    if (this.#given || this.#sink === null) return;
    this.#given = true;
    const sink = this.#sink;
    setImmediate(() => {
      if (this.#bytes.length > 0) sink(this.#bytes);
      sink(null);
    });
  }
}

/** Takes what a guest writes, whole lines at a time. */
class LineOutput implements HostOutput {
  readonly isTTY = false;
  readonly #line: (line: string) => void;
  #rest = "";

  constructor(line: (line: string) => void) { this.#line = line; }

  write(bytes: Uint8Array): boolean {
    const lines = (this.#rest + Buffer.from(bytes).toString("latin1")).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(Buffer.from(line, "latin1").toString());
    return true;
  }
  onDrain(): void {}
  /** Hands over a last line that has no end. */
  flush(): void {
    if (this.#rest !== "") this.#line(Buffer.from(this.#rest, "latin1").toString());
    this.#rest = "";
  }
}

class DetachedTerminal implements HostTerminal {
  readonly isTTY = false;
  readonly input: HostInput;
  readonly output: LineOutput;
  readonly error: LineOutput;
  constructor(options: GuestOptions) {
    this.input = new FixedInput(Buffer.from(options.input ?? "", "utf8"));
    this.output = new LineOutput(options.output);
    this.error = new LineOutput(options.error);
  }
  size(): WindowSize { return { rows: 0, cols: 0 }; }
  onResize(): void {}
  setRaw(): void {}
}

/** The host as a process without a terminal sees it. */
class DetachedPlatform extends NodePlatform implements HostPlatform {
  override readonly terminal: SharedTerminal;
  readonly #signals: boolean;
  constructor(terminal: SharedTerminal, signals: boolean) {
    super();
    this.terminal = terminal;
    this.#signals = signals;
  }
  override onSignal(names: readonly HostSignalName[], callback: (name: HostSignalName) => void): void {
    if (this.#signals) super.onSignal(names, callback);
  }
}

export interface GuestOptions {
  /** Volumes of the HAMMER file system that is the root. */
  readonly volumes: readonly string[];
  readonly ramBytes: number;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What the program reads from its standard input. */
  readonly input?: string;
  /** Receive the lines that programs write to their standard output and standard error. */
  readonly output: (line: string) => void;
  readonly error: (line: string) => void;
  /** Receives what the kernel has to say to a user. */
  readonly warn?: (line: string) => void;
  readonly network?: NetworkOptions;
  readonly mounts?: readonly MountSpec[];
  readonly hostname?: string;
  /** Whether signals of the host are the guest's (SIGTERM ends it in order), or have the effect that they have on any process. */
  readonly hostSignals?: boolean;
}

/** A guest that was booted. */
export interface Guest {
  readonly vk: VirtualKernel;
  /** Its standard streams, for those who look on. */
  readonly terminal: SharedTerminal;
  /** Looks a user of the guest up. Throws CliError. */
  user(spec: string | undefined): GuestUser;
  /** Runs it to its end: the first program's exit status, 128 + N when signal N ended it. Throws KernelPanic. */
  run(): Promise<number>;
}

/** Boots the image and starts the program. Throws CliError, and what opening the image throws. */
export async function bootGuest(options: GuestOptions): Promise<Guest> {
  const terminal = new DetachedTerminal(options);
  const shared = new SharedTerminal(terminal);
  const platform = new DetachedPlatform(shared, options.hostSignals === true);
  const root = imageRoot(platform, options.volumes, { discard: false });
  const env = { PATH, HOME: "/root", USER: "root", LOGNAME: "root", ...options.env };
  const [program] = options.argv as [string];
  let vk: VirtualKernel;
  try {
    vk = await bootKernel({
      platform,
      ramBytes: options.ramBytes,
      root: root.mount,
      mounts: [...standardMounts(), ...(options.mounts ?? [])],
      warn: (line) => options.warn?.(line),
      ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
      ...(options.network === undefined ? {} : { network: options.network }),
      first: {
        path: toByteString(program),
        argv: options.argv.map(toByteString),
        env: Object.entries(env).map(([name, value]) => toByteString(`${name}=${value}`)),
        stdio: "streams",
      },
    });
  } catch (error) {
    root.close();
    if (!(error instanceof BootError)) throw error;
    throw new CliError(options.volumes.join(":"), error.message, undefined, undefined, error);
  }
  return {
    vk,
    terminal: shared,
    user: (spec) => guestUser(spec, (file) => root.text(file)),
    async run() {
      const result = await vk.run();
      terminal.output.flush();
      terminal.error.flush();
      return result.signal === 0 ? result.status : 128 + result.guestSignal;
    },
  };
}
