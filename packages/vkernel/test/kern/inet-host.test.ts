// SPDX-License-Identifier: BSD-3-Clause
/** TCP and UDP over a host's network; error numbers as Linux has them. */
import { describe, expect, it } from "vitest";
import type { HostAddress, HostConnection, HostNetwork } from "@vkernel/hostkernel";
import { GATEWAY, MACHINE } from "../../src/net/inet/domain.ts";
import { A, BUF, OTHER, DGRAM, INET, STREAM, NONBLOCK, address, nameOf, readAddress, run } from "./inet-kit.ts";
import { sys } from "./user-bench.ts";

const EAGAIN = -11, ECONNREFUSED = -111, EALREADY = -114, EINPROGRESS = -115, SOL_SOCKET = 1, SO_ERROR = 4;

/** A host with one service, which sends back what it gets, in upper case; it answers when `answer()` is called. */
class FakeNetwork implements HostNetwork {
  readonly asked: HostAddress[] = [];
  answer: () => void = () => {};
  accept: (connection: HostConnection) => void = () => {};
  connect(to: HostAddress, answer: (error: string | null, connection: HostConnection | null) => void): void {
    this.asked.push(to);
    this.answer = () => (to.port === 7 ? answer(null, new Echo(to)) : answer("ECONNREFUSED", null));
  }
  listen(_at: HostAddress, accept: (connection: HostConnection) => void, answer: (error: string | null) => void): () => void {
    this.accept = accept;
    answer(null);
    return () => {};
  }
  datagrams(): { send(bytes: Uint8Array, to: HostAddress): void; onMessage(sink: (b: Uint8Array, from: HostAddress) => void): void; close(): void } {
    let sink: (b: Uint8Array, from: HostAddress) => void = () => {};
    return { send: (bytes, to) => sink(bytes.map((b) => b - 32), to), onMessage: (s) => (sink = s), close: () => {} };
  }
  nameservers(): readonly HostAddress[] {
    return [{ host: "198.51.100.53", port: 53 }];
  }
}
class Echo implements HostConnection {
  readonly remote: HostAddress;
  #sink: (bytes: Uint8Array | null) => void = () => {};
  #drained: () => void = () => {};
  #closed: (error: string | null) => void = () => {};
  taken = 0;
  constructor(remote: HostAddress) {
    this.remote = remote;
  }
  onData(sink: (bytes: Uint8Array | null) => void): void {
    this.#sink = sink;
  }
  pause(): void {}
  resume(): void {}
  write(pieces: readonly Uint8Array[]): boolean {
    for (const bytes of pieces) {
      this.taken += bytes.length;
      this.#sink(bytes.map((b) => b - 32));
    }
    return true;
  }
  onDrain(callback: () => void): void {
    this.#drained = callback;
    this.#drained();
  }
  end(): void {
    this.#sink(null);
    this.#closed(null);
  }
  destroy(): void {
    this.#closed(null);
  }
  onClose(callback: (error: string | null) => void): void {
    this.#closed = callback;
  }
}

describe("over the host's network", () => {
  it("a connection that is not waited for: under way, then there; names are those of the machine", async () => {
    const network = new FakeNetwork();
    await run(function* (u) {
      const fd = yield sys("socket", INET, STREAM | NONBLOCK, 0);
      const len = address(u, A, "203.0.113.9", 7);
      expect(yield sys("connect", fd, A, len)).toBe(EINPROGRESS);
      expect(yield sys("connect", fd, A, len)).toBe(EALREADY);
      u.words(BUF, fd, 4);
      expect(yield sys("poll", BUF, 1, 0)).toBe(0);
      network.answer();
      expect(yield sys("poll", BUF, 1, 0)).toBe(1);
      expect(yield* nameOf(u, "getsockname", fd)).toMatch(new RegExp(`^${MACHINE}:`));
      expect(yield* nameOf(u, "getpeername", fd)).toBe("203.0.113.9:7");
      u.text(BUF + 64, "hello");
      expect(yield sys("write", fd, BUF + 64, 5)).toBe(5);
      expect(yield sys("read", fd, BUF + 128, 10)).toBe(5);
      expect(u.read(BUF + 128, 5)).toBe("HELLO");
      yield sys("shutdown", fd, 1);
      expect(yield sys("read", fd, BUF, 10)).toBe(0);
    }, network);
    expect(network.asked).toEqual([{ host: "203.0.113.9", port: 7 }]);
  });

  it("more than the queues hold goes through; a refusal is told once", async () => {
    const network = new FakeNetwork();
    await run(function* (u) {
      const fd = yield sys("socket", INET, STREAM | NONBLOCK, 0);
      yield sys("connect", fd, A, address(u, A, GATEWAY, 7));
      network.answer();
      let sent = 0;
      let received = 0;
      while (received < 2_000_000) {
        if (sent < 2_000_000) {
          const n = yield sys("sendto", fd, BUF, 100_000, 0, 0, 0);
          if (n !== EAGAIN) sent += n;
        }
        const n = yield sys("recvfrom", fd, BUF, 150_000, 0, 0, 0);
        if (n !== EAGAIN) received += n;
      }
      expect(sent).toBe(2_000_000);
      const no = yield sys("socket", INET, STREAM | NONBLOCK, 0);
      expect(yield sys("connect", no, A, address(u, A, "203.0.113.9", 8))).toBe(EINPROGRESS);
      network.answer();
      u.setWord(A + 0x100, 4);
      expect(yield sys("getsockopt", no, SOL_SOCKET, SO_ERROR, BUF, A + 0x100)).toBe(0);
      expect(u.word(BUF)).toBe(-ECONNREFUSED);
      expect(yield sys("getsockopt", no, SOL_SOCKET, SO_ERROR, BUF, A + 0x100)).toBe(0);
      expect(u.word(BUF)).toBe(0);
    }, network);
    expect(network.asked[0]).toEqual({ host: "127.0.0.1", port: 7 });
  });

  it("datagrams to the name server go to the host's", async () => {
    const network = new FakeNetwork();
    await run(function* (u) {
      const fd = yield sys("socket", INET, DGRAM, 0);
      const len = address(u, A, "10.0.2.3", 53);
      u.text(BUF, "query");
      expect(yield sys("sendto", fd, BUF, 5, 0, A, len)).toBe(5);
      u.setWord(A + 0x100, 16);
      expect(yield sys("recvfrom", fd, BUF, 10, 0, OTHER, A + 0x100)).toBe(5);
      expect([u.read(BUF, 5), readAddress(u, OTHER)]).toEqual(["QUERY", "10.0.2.3:53"]);
    }, network);
  });

  it("datagrams to a published port reach the guest, and only who has sent some is answered", async () => {
    let arrive: (b: Uint8Array, from: HostAddress) => void = () => {};
    const sent: string[] = [];
    const network = new FakeNetwork();
    network.datagrams = (at?: HostAddress, bound?: (error: string | null) => void) => {
      expect(at).toEqual({ host: "127.0.0.1", port: 5353 });
      bound?.(null);
      return {
        send: (bytes, to) => sent.push(`${String.fromCharCode(...bytes)} > ${to.host}:${to.port}`),
        onMessage: (sink) => (arrive = sink),
        close: () => {},
      };
    };
    await run(function* (u) {
      yield sys("getpid");
      void u.bench.k.inet.publish({ host: "127.0.0.1", port: 5353, guestPort: 53, kind: "udp" });
      const fd = yield sys("socket", INET, DGRAM, 0);
      yield sys("bind", fd, A, address(u, A, "0.0.0.0", 53));
      arrive(Uint8Array.from([97, 98]), { host: "127.0.0.1", port: 40_000 });
      u.setWord(A + 0x100, 16);
      expect(yield sys("recvfrom", fd, BUF, 10, 0, OTHER, A + 0x100)).toBe(2);
      expect([u.read(BUF, 2), readAddress(u, OTHER)]).toEqual(["ab", "10.0.2.2:40000"]);
      expect(yield sys("sendto", fd, BUF, 2, 0, OTHER, 16)).toBe(2);
      expect(sent).toEqual(["ab > 127.0.0.1:40000"]);
      // Nobody has written from there, and there is no other way out.
      const len = address(u, A, "10.0.2.2", 40_001);
      expect(yield sys("sendto", fd, BUF, 2, 0, A, len)).toBe(-101);
      // Datagrams for a port that nobody has bound are lost.
      yield sys("close", fd);
      arrive(Uint8Array.from([99]), { host: "127.0.0.1", port: 40_000 });
    }, network, false);
  });

  it("a published port leads to whoever listens", async () => {
    const network = new FakeNetwork();
    const bench = await run(function* (u) {
      yield sys("getpid");
      void u.bench.k.inet.publish({ host: "127.0.0.1", port: 8080, guestPort: 80 });
      const s = yield sys("socket", INET, STREAM, 0);
      yield sys("bind", s, A, address(u, A, "0.0.0.0", 80));
      yield sys("listen", s, 1);
      network.accept(new Echo({ host: "127.0.0.1", port: 55_555 }));
      const fd = yield sys("accept4", s, 0, 0, 0);
      expect(yield* nameOf(u, "getpeername", fd)).toBe(`${GATEWAY}:55555`);
      expect(yield* nameOf(u, "getsockname", fd)).toBe(`${MACHINE}:80`);
    }, network);
    bench.k.inet.shutdown();
  });
});
