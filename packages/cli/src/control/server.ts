// SPDX-License-Identifier: BSD-3-Clause
/**
 * The socket of a running machine: answers `vkernel ps`, `exec`, `attach`, `logs` and `stop`. Whoever reaches it has the user's
 * rights (runtime-dir.ts), and so all rights in the machine.
 */
import { rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { BootError, type SpawnedProgram, type VirtualKernel } from "@vkernel/vkernel";
import { toByteString } from "@vkernel/hammer";
import { CliError } from "../ui/errors.ts";
import type { GuestUser } from "../users.ts";
import { DATA, END, MESSAGE, onFrames, send, sendMessage, type Event, type Request } from "./frames.ts";
import { socketPath } from "./runtime-dir.ts";
import { SessionTerminal } from "./session-terminal.ts";
import type { OutputLog, SharedTerminal } from "./shared-terminal.ts";

/** What a client is told of a machine. */
export interface MachineInfo {
  readonly name: string;
  readonly pid: number;
  /** What was started, for people: "run", "boot", "serve nfs". */
  readonly kind: string;
  readonly command: string;
  /** ms since 1970 */
  readonly started: number;
}

/** A machine that has started. */
export interface ControlledMachine {
  readonly vk: VirtualKernel;
  readonly terminal: SharedTerminal;
  /** Looks a user of the guest up. Throws CliError. */
  user(spec: string | undefined): GuestUser;
}

/** DragonFly's numbers of the signals that clients pass on. */
const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15, SIGUSR1: 30, SIGUSR2: 31 };

/** Whether somebody answers at the socket. */
function isAlive(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(file);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}

export class ControlServer {
  readonly #server: Server;
  readonly #info: MachineInfo;
  readonly #clients = new Set<Socket>();
  #machine: ControlledMachine | null = null;

  private constructor(server: Server, info: MachineInfo) {
    this.#server = server;
    this.#info = info;
    server.on("connection", (socket) => this.#serve(socket));
    // The machine's end is the process's, whoever still asks.
    server.unref();
  }

  /** Takes a name, and the socket of whoever had it and is no more. Throws CliError when it is in use. */
  static async listen(name: string, kind: string): Promise<ControlServer> {
    const file = socketPath(name);
    const info = { name, pid: process.pid, kind, command: process.argv.slice(2).join(" "), started: Date.now() };
    for (let tries = 0; ; tries++) {
      const server = createServer();
      try {
        await new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen(file, resolve);
        });
        const control = new ControlServer(server, info);
        process.once("exit", () => rmSync(file, { force: true }));
        return control;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
        if (tries > 0 || (await isAlive(file))) throw new CliError(name, "a machine of this name runs already", "vkernel ps lists them");
        rmSync(file, { force: true });
      }
    }
  }

  /** The machine has started. */
  attach(machine: ControlledMachine): void {
    this.#machine = machine;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#clients) socket.end();
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    socket.unref();
    socket.on("close", () => this.#clients.delete(socket));
    // A client that goes away is no failure of the machine.
    socket.on("error", () => socket.destroy());
    let session: ((type: number, payload: Buffer) => void) | null = null;
    onFrames(socket, (type, payload) => {
      if (session !== null) {
        session(type, payload);
        return;
      }
      if (type !== MESSAGE) return;
      const early: [number, Buffer][] = [];
      session = (t, p) => early.push([t, Buffer.from(p)]);
      void this.#answer(socket, payload).then((next) => {
        session = next;
        for (const [t, p] of early) next(t, p);
      });
    });
  }

  /** Carries a request out; returns what to do with what the client sends afterwards. */
  async #answer(socket: Socket, payload: Buffer): Promise<(type: number, payload: Buffer) => void> {
    const nothing = (): void => {};
    try {
      const request = JSON.parse(payload.toString()) as Request;
      if (request.op === "info") {
        sendMessage(socket, this.#info);
        return nothing;
      }
      const machine = this.#machine;
      if (machine === null) throw new CliError(this.#info.name, "it is just starting", "try again");
      switch (request.op) {
        case "ps":
          sendMessage(socket, machine.vk.processes());
          return nothing;
        case "stop":
          machine.vk.terminate();
          setTimeout(() => machine.vk.terminate(), request.seconds * 1000).unref();
          return nothing;
        case "logs":
          send(socket, DATA, machine.terminal.log.bytes);
          if (request.follow) follow(socket, machine.terminal.log);
          else socket.end();
          return nothing;
        case "attach":
          follow(socket, machine.terminal.log);
          return (type, bytes) => {
            if (type === DATA) machine.terminal.input.inject(new Uint8Array(bytes));
          };
        case "exec":
          return await execute(socket, machine, request);
        default:
          throw new CliError(this.#info.name, "a request that it does not know", "the same version of vkernel for both");
      }
    } catch (error) {
      const code = error instanceof BootError ? error.code : "";
      sendMessage(socket, { error: error instanceof Error ? error.message : String(error), code });
      socket.end();
      return nothing;
    }
  }
}

/** Sends all output from now on; a client that does not read misses some. */
function follow(socket: Socket, log: OutputLog): void {
  const stop = log.watch((bytes) => {
    if (!socket.writableNeedDrain) send(socket, DATA, bytes);
  });
  socket.on("close", stop);
}

async function execute(
  socket: Socket,
  machine: ControlledMachine,
  { program, size }: Extract<Request, { op: "exec" }>,
): Promise<(type: number, payload: Buffer) => void> {
  const terminal = new SessionTerminal(socket, size);
  const user = machine.user(program.user);
  const env = [`HOME=${user.home}`, `USER=${user.name}`, `LOGNAME=${user.name}`, ...program.env];
  const spawned: SpawnedProgram = await machine.vk.spawn({
    path: toByteString(program.argv[0]!),
    argv: program.argv.map(toByteString),
    env: env.map(toByteString),
    ...(program.cwd === undefined ? {} : { cwd: toByteString(program.cwd) }),
    uid: user.uid,
    gid: user.gid,
    groups: user.groups,
    terminal,
  });
  let isOver = false;
  const leave = (): void => {
    terminal.close();
    if (!isOver) spawned.hangup();
  };
  // The client may have gone while the program was started.
  if (socket.destroyed) leave();
  else socket.on("close", leave);
  void spawned.ended.then((end) => {
    isOver = true;
    sendMessage(socket, { exit: end });
    socket.end();
  });
  return (type, payload) => {
    if (type === DATA) terminal.receive(new Uint8Array(payload));
    else if (type === END) terminal.receive(null);
    else if (type === MESSAGE) {
      const event = JSON.parse(payload.toString()) as Event;
      if ("size" in event) terminal.resize(event.size);
      else if (SIGNALS[event.signal] !== undefined) spawned.signal(SIGNALS[event.signal]!);
    }
  };
}
