// SPDX-License-Identifier: BSD-3-Clause
/** The control socket of a machine: frames, and what its commands make of an answer. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Command } from "commander";
import { addControlCommands } from "../src/cmd/control/command.ts";
import { DATA, END, onFrames, send } from "../src/control/frames.ts";
import { socketPath } from "../src/control/runtime-dir.ts";
import { ControlServer } from "../src/control/server.ts";
import { RefusedError } from "../src/control/client.ts";

const MIB = 1 << 20;
let dir: string;
let before: string | undefined;

beforeEach(() => {
  before = process.env["XDG_RUNTIME_DIR"];
  dir = mkdtempSync(path.join(os.tmpdir(), "vk-"));
  process.env["XDG_RUNTIME_DIR"] = dir;
});
afterEach(() => {
  if (before === undefined) delete process.env["XDG_RUNTIME_DIR"];
  else process.env["XDG_RUNTIME_DIR"] = before;
  rmSync(dir, { recursive: true });
});

/** Listens as a machine of that name; `serve` has each connection. */
async function listen(name: string, serve: (socket: Socket) => void): Promise<() => void> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(socketPath(name), resolve));
  return () => void server.close();
}

function command(...args: string[]): Promise<unknown> {
  const vkernel = new Command().enablePositionalOptions();
  addControlCommands(vkernel, () => {});
  return vkernel.parseAsync(args, { from: "user" });
}

describe("frames", () => {
  for (const size of [0, 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 17]) {
    it(`carry ${size} bytes`, async () => {
      const sent = Buffer.alloc(size);
      for (let i = 0, x = 1; i < size; i++) {
        x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
        sent[i] = x >>> 16;
      }
      const close = await listen("frames", (socket) => {
        send(socket, DATA, sent);
        send(socket, END, new Uint8Array(0));
        socket.end();
      });
      const socket = connect(socketPath("frames"));
      const got: Buffer[] = [];
      let ends = 0;
      onFrames(socket, (type, payload) => {
        if (type === DATA) got.push(Buffer.from(payload));
        else if (type === END) ends++;
      });
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.once("close", () => resolve());
      });
      close();
      expect(got.length).toBe(Math.max(1, Math.ceil(size / MIB)));
      expect(Buffer.concat(got).equals(sent)).toBe(true);
      expect(ends).toBe(1);
    });
  }
});

describe("commands", () => {
  for (const name of ["logs", "stop"]) {
    it(`${name} fails with what the machine says`, async () => {
      const control = await ControlServer.listen("early", "run");
      await expect(command(name, "early")).rejects.toThrow(RefusedError);
      control.close();
    });
  }
  it("logs fails on a frame that is too long", async () => {
    const close = await listen("long", (socket) => {
      socket.on("error", () => socket.destroy());
      socket.write(Buffer.from([0x7f, 0, 0, 0, DATA]));
    });
    await expect(command("logs", "long")).rejects.toThrow("a frame of 2130706432 bytes");
    close();
  });
});
