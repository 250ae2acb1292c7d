// SPDX-License-Identifier: BSD-3-Clause
/** The other end of a control socket: one request, and what comes of it. */
import { connect, type Socket } from "node:net";
import { rmSync } from "node:fs";
import { CliError } from "../ui/errors.ts";
import { MESSAGE, onFrames, sendMessage, type Request } from "./frames.ts";
import { machineNames, socketPath } from "./runtime-dir.ts";
import type { MachineInfo } from "./server.ts";

/** Connects to a machine; null when it is no more, and its socket is removed. */
function open(name: string): Promise<Socket | null> {
  const file = socketPath(name);
  return new Promise((resolve, reject) => {
    const socket = connect(file);
    socket.once("connect", () => resolve(socket));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") rmSync(file, { force: true });
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(null);
      else reject(error);
    });
  });
}

/** Connects to a running machine. Throws CliError when there is none. */
export async function openMachine(name: string): Promise<Socket> {
  const socket = await open(name);
  if (socket === null) throw new CliError(name, "no machine of this name is running", "vkernel ps lists them");
  return socket;
}

/** The failure that a machine reports. */
export class RefusedError extends CliError {
  /** BootErrorCode, or "". */
  readonly code: string;
  constructor(name: string, message: string, code: string) {
    super(name, message);
    this.code = code;
  }
}

/** Reads a message; throws RefusedError for one that is a failure. */
export function readMessage(name: string, payload: Buffer): unknown {
  const message = JSON.parse(payload.toString()) as { error?: string; code?: string };
  if (message !== null && typeof message.error === "string") throw new RefusedError(name, message.error, message.code ?? "");
  return message;
}

/** The first answer to a request. */
export function ask(name: string, socket: Socket, request: Request): Promise<unknown> {
  return new Promise((resolve, reject) => {
    onFrames(socket, (type, payload) => {
      if (type !== MESSAGE) return;
      try {
        resolve(readMessage(name, payload));
      } catch (error) {
        reject(error as Error);
      }
      socket.end();
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new CliError(name, "it has ended")));
    sendMessage(socket, request);
  });
}

/** All machines that run, in the order of their names. */
export async function runningMachines(): Promise<MachineInfo[]> {
  const all = await Promise.all(
    machineNames().map(async (name) => {
      const socket = await open(name);
      return socket === null ? null : ((await ask(name, socket, { op: "info" })) as MachineInfo);
    }),
  );
  return all.filter((info) => info !== null);
}
