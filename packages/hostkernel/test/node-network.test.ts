// SPDX-License-Identifier: BSD-3-Clause
/** Connections of the host: a writer waits for a reader that is slow, and for nothing else. */
import { describe, expect, it } from "vitest";
import { NodeNetwork } from "../src/node/network.ts";
import type { HostConnection } from "../src/network.ts";
import { createServer, type AddressInfo } from "node:net";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Both ends of a connection, paused, and what stops the listener. */
async function connected(): Promise<{ here: HostConnection; there: HostConnection; close: () => void }> {
  const network = new NodeNetwork();
  const at = { host: "127.0.0.1", port: await freePort() };
  let close = (): void => {};
  const there = new Promise<HostConnection>((accept, reject) => {
    close = network.listen(at, accept, (error) => { if (error !== null) reject(new Error(error)); });
  });
  const here = await new Promise<HostConnection>((resolve, reject) => {
    network.connect(at, (error, connection) => (connection === null ? reject(new Error(error!)) : resolve(connection)));
  });
  return { here, there: await there, close };
}

describe("NodeConnection", () => {
  it("takes pieces beyond the stream's high-water mark at once, and lets the writer wait only for a reader that does not read", async () => {
    const { here, there, close } = await connected();
    try {
      const piece = (i: number): Uint8Array => new Uint8Array(30_000).fill(i);
      let drained = 0;
      here.onDrain(() => drained++);
      // There is room for this in the host.
      expect(here.write([piece(1)])).toBe(true);
      expect(here.write([piece(2), piece(3)])).toBe(true);
      let sent = 3;
      while (here.write([piece(++sent)])) expect(sent).toBeLessThan(100_000);
      let got = 0;
      let wrong = 0;
      const all = new Promise<void>((resolve) => {
        there.onData((bytes) => {
          if (bytes === null) return resolve();
          for (const byte of bytes) if (byte !== (Math.floor(got++ / 30_000) + 1) % 256) wrong++;
        });
      });
      await new Promise<void>((resolve) => {
        const before = drained;
        const look = setInterval(() => {
          if (drained === before) return;
          clearInterval(look);
          resolve();
        }, 1);
      });
      here.end();
      await all;
      expect(got).toBe(sent * 30_000);
      expect(wrong).toBe(0);
    } finally {
      here.destroy();
      there.destroy();
      close();
    }
  });
});
