// SPDX-License-Identifier: BSD-3-Clause
/** A TCP socket of the guest over a connection of the host: every byte once and in order, whoever is slow, and nothing waits for nothing. */
import { KERNEL_CRED } from "../../src/net/socket.ts";
import { describe, expect, it } from "vitest";
import type { HostConnection } from "@vkernel/hostkernel";
import { HostStream } from "../../src/net/inet/host-stream.ts";
import { InetSocket } from "../../src/net/inet/socket.ts";
import { DEFAULT_LIMIT, GivenBytes } from "../../src/net/socket.ts";
import { AF_INET, SHUT_WR, SOCK_STREAM } from "../../src/sys/socket.ts";
import { WOULDBLOCK } from "../../src/sys/wait.ts";
import { Uio } from "../../src/vm/uio.ts";

const CRED = { ...KERNEL_CRED, pid: 1 };

/** The host's side: takes pieces, and is full when the test says so. */
class Wire implements HostConnection {
  readonly remote = { host: "203.0.113.9", port: 7 };
  readonly writes: (readonly Uint8Array[])[] = [];
  full = false;
  paused = false;
  ended = false;
  data: (bytes: Uint8Array | null) => void = () => {};
  drain: () => void = () => {};
  onData(sink: (bytes: Uint8Array | null) => void): void { this.data = sink; }
  pause(): void { this.paused = true; }
  resume(): void { this.paused = false; }
  write(pieces: readonly Uint8Array[]): boolean {
    this.writes.push(pieces);
    return !this.full;
  }
  onDrain(callback: () => void): void { this.drain = callback; }
  end(): void { this.ended = true; }
  destroy(): void {}
  onClose(): void {}
  get taken(): Buffer { return Buffer.concat(this.writes.flat()); }
}

function connected(): { guest: InetSocket; wire: Wire } {
  const guest = new InetSocket(AF_INET, SOCK_STREAM, CRED);
  const wire = new Wire();
  // The stream keeps itself alive by its callbacks.
  void new HostStream(guest, wire, CRED);
  return { guest, wire };
}
const numbered = (length: number, from: number): Uint8Array => Uint8Array.from({ length }, (_, i) => ((from + i) * 2654435761) >>> 24);

/** Lengths that a seed decides, most of them short. */
function lengths(seed: number, count: number): number[] {
  let state = seed;
  const next = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8;
  return Array.from({ length: count }, () => (next() % 4 === 0 ? 1 + (next() % 70_000) : 1 + (next() % 3000)));
}

describe("what the guest sends", () => {
  it.each([1, 2, 3])("reaches the host once and in order, also through times when it takes nothing (%i)", (seed) => {
    const { guest, wire } = connected();
    let sent = 0;
    lengths(seed, 400).forEach((length, i) => {
      wire.full = i % 50 > 20;
      if (i % 50 === 0) wire.drain();
      const bytes = numbered(length, sent);
      const n = guest.send(Uio.kernel(bytes, 0, length), null, null, CRED);
      bytes.fill(0xee);
      if (n !== WOULDBLOCK) sent += n;
    });
    wire.full = false;
    wire.drain();
    guest.shutdown(SHUT_WR);
    expect(wire.ended).toBe(true);
    expect(sent).toBeGreaterThan(1_000_000);
    expect(wire.taken.equals(numbered(sent, 0))).toBe(true);
  });

  it("goes out in few pieces, however short those were that the guest sent", () => {
    const { guest, wire } = connected();
    wire.full = true;
    for (let i = 0; i < 10_001; i++) guest.send(Uio.kernel(numbered(1, i), 0, 1), null, null, CRED);
    wire.full = false;
    wire.drain();
    expect(wire.taken.equals(numbered(10_001, 0))).toBe(true);
    expect(wire.writes.map((pieces) => pieces.length)).toEqual([1, 1]);
  });

  it("is not copied when it is given away", () => {
    const { guest, wire } = connected();
    const data = numbered(200_000, 0);
    const source = new GivenBytes([data.subarray(0, 10), data.subarray(10, 10), data.subarray(10)]);
    expect(guest.send(source, null, null, CRED)).toBe(200_000);
    expect(wire.taken.equals(data)).toBe(true);
    for (const piece of wire.writes.flat()) expect(piece.buffer).toBe(data.buffer);
  });
});

describe("what comes from the host", () => {
  it("is held back while the guest's queue is full, and read once and in order", () => {
    const { guest, wire } = connected();
    let given = 0;
    const back = new Uint8Array(3_000_000);
    let got = 0;
    const read = (most: number): void => {
      const n = guest.recv(Uio.kernel(back, got, most), false);
      if (n !== WOULDBLOCK) got += n;
    };
    for (const [i, length] of lengths(9, 300).entries()) {
      if (wire.paused) read(100_000);
      else {
        wire.data(numbered(length, given));
        given += length;
      }
      if (i % 3 === 0) read(1 + (i % 7) * 1000);
      expect(guest.queued).toBeLessThanOrEqual(DEFAULT_LIMIT);
    }
    while (got < given) read(50_000);
    expect(given).toBeGreaterThan(500_000);
    expect(Buffer.from(back.subarray(0, got)).equals(numbered(given, 0))).toBe(true);
  });
});
