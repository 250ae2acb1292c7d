// SPDX-License-Identifier: BSD-3-Clause
/**
 * Core of a gdb remote stub: packets in, packets out, over a target that its owner implements. Knows no transport and no
 * kernel. Acknowledges until gdb asks it not to.
 *
 * Invariants
 *   GD1  While the target runs nothing is answered but an interrupt (0x03); the stop reply comes from stopped() or ended().
 *   GD2  A packet that is not understood is answered with the empty packet, as the protocol demands.
 *
 * Source: "Debugging with GDB", appendix E; register numbers of the features org.gnu.gdb.i386.core and .sse.
 * @module
 */
import { CORE_REGISTERS, REGISTERS, TARGET_XML, readRegister, writeRegister, type GdbRegisters } from "./gdb-registers.ts";

/** What a stub debugs. All addresses are unsigned. Registers and memory are asked for only while the target is stopped. */
export interface GdbTarget extends GdbRegisters {
  /** Hands up to `length` bytes at `address` to `done`, fewer when the rest cannot be read; null when none can. May be called back later. */
  readMemory(address: number, length: number, done: (bytes: Uint8Array | null) => void): void;
  /** Writes all bytes; tells whether it could. */
  writeMemory(address: number, bytes: Uint8Array, done: (written: boolean) => void): void;
  setBreakpoint(address: number): void;
  clearBreakpoint(address: number): void;
  /** Goes on, for one instruction when `step` is set. Returns at once; the owner calls stopped() or ended() later. */
  resume(step: boolean): void;
  /** Asks the running target to stop soon. */
  interrupt(): void;
  kill(): void;
  /** The debugger goes: the target runs on without it. */
  detach(): void;
}

const DOLLAR = 0x24;
const HASH = 0x23;
const INTERRUPT = 0x03;
const PACKET_BYTES = 0x4000;
/** Escape in binary data; the byte behind it is XORed with 0x20. */
const ESCAPE = 0x7d;

const hexByte = (n: number): string => (n & 0xff).toString(16).padStart(2, "0");
function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += hexByte(byte);
  return text;
}
function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length >> 1 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

export class GdbStub {
  readonly #target: GdbTarget;
  readonly #send: (bytes: Uint8Array) => void;
  /** Bytes of a packet that has begun, as a byte string; null between packets. */
  #packet: string | null = null;
  /** Characters of the checksum still to come. */
  #checksumLeft = 0;
  #checksum = "";
  #acknowledges = true;
  #running = false;
  #last = "S05";

  /** The target is stopped when the stub is made. */
  constructor(target: GdbTarget, send: (bytes: Uint8Array) => void) {
    this.#target = target;
    this.#send = send;
  }

  /** Takes bytes from gdb, in pieces of any size. */
  receive(bytes: Uint8Array): void {
    for (const byte of bytes) this.#byte(byte);
  }

  /** The target has stopped for signal number `signal` of gdb (5 SIGTRAP, 2 SIGINT, 11 SIGSEGV …). */
  stopped(signal: number): void {
    this.#last = `S${hexByte(signal)}`;
    if (!this.#running) return;
    this.#running = false;
    this.#reply(this.#last);
  }

  /** The target has ended, with an exit code or, when `signal` is not 0, by a signal. */
  ended(status: number, signal: number): void {
    this.#last = signal === 0 ? `W${hexByte(status)}` : `X${hexByte(signal)}`;
    if (!this.#running) return;
    this.#running = false;
    this.#reply(this.#last);
  }

  #byte(byte: number): void {
    if (this.#packet === null) {
      if (byte === DOLLAR) this.#packet = "";
      else if (byte === INTERRUPT && this.#running) this.#target.interrupt();
      return;
    }
    if (this.#checksumLeft === 0) {
      if (byte === HASH) this.#checksumLeft = 2;
      else this.#packet += String.fromCharCode(byte);
      return;
    }
    this.#checksum += String.fromCharCode(byte);
    if (--this.#checksumLeft > 0) return;
    const packet = this.#packet;
    const good = Number.parseInt(this.#checksum, 16) === checksum(packet);
    this.#packet = null;
    this.#checksum = "";
    if (this.#acknowledges) this.#send(ascii(good ? "+" : "-"));
    if (good) this.#handle(packet);
  }

  #reply(text: string): void {
    this.#send(ascii(`$${text}#${hexByte(checksum(text))}`));
  }

  #handle(packet: string): void {
    const rest = packet.slice(1);
    switch (packet[0]) {
      case "?":
        return this.#reply(this.#last);
      case "g":
        return this.#reply(REGISTERS.map((_, i) => toHex(readRegister(this.#target, i))).join(""));
      case "G":
        return this.#writeAll(rest);
      case "p":
        return this.#readOne(Number.parseInt(rest, 16));
      case "P":
        return this.#writeOne(rest);
      case "m":
        return this.#readMemory(rest);
      case "M":
        return this.#writeMemory(rest, (text) => fromHex(text));
      case "X":
        return this.#writeMemory(rest, unescape);
      case "Z":
      case "z":
        return this.#breakpoint(packet);
      case "c":
      case "C":
        return this.#go(false);
      case "s":
      case "S":
        return this.#go(true);
      case "v":
        return this.#verbose(packet);
      case "q":
      case "Q":
        return this.#query(packet);
      case "H":
      case "T":
        return this.#reply("OK");
      case "k":
        return this.#target.kill();
      case "D":
        this.#reply("OK");
        return this.#target.detach();
      default:
        return this.#reply("");
    }
  }

  #go(step: boolean): void {
    this.#running = true;
    this.#target.resume(step);
  }

  #verbose(packet: string): void {
    if (packet === "vCont?") return this.#reply("vCont;c;C;s;S");
    // There is one thread, so the first action is its own.
    const action = /^vCont;([cCsS])/.exec(packet);
    if (action !== null) return this.#go(action[1]!.toLowerCase() === "s");
    if (packet.startsWith("vKill")) {
      this.#reply("OK");
      return this.#target.kill();
    }
    this.#reply("");
  }

  #query(packet: string): void {
    if (packet.startsWith("qSupported"))
      return this.#reply(`PacketSize=${PACKET_BYTES.toString(16)};qXfer:features:read+;vContSupported+;QStartNoAckMode+`);
    if (packet === "QStartNoAckMode") {
      this.#reply("OK");
      this.#acknowledges = false;
      return;
    }
    if (packet === "qC") return this.#reply("QC1");
    if (packet === "qfThreadInfo") return this.#reply("m1");
    if (packet === "qsThreadInfo") return this.#reply("l");
    if (packet === "qAttached") return this.#reply("0");
    const part = /^qXfer:features:read:target\.xml:([0-9a-f]+),([0-9a-f]+)$/.exec(packet);
    if (part === null) return this.#reply("");
    const from = Number.parseInt(part[1]!, 16);
    const to = from + Number.parseInt(part[2]!, 16);
    this.#reply((to >= TARGET_XML.length ? "l" : "m") + TARGET_XML.slice(from, to));
  }

  #readOne(n: number): void {
    if (REGISTERS[n] === undefined) return this.#reply("E01");
    this.#reply(toHex(readRegister(this.#target, n)));
  }
  #writeOne(text: string): void {
    const [number, value] = text.split("=");
    const n = Number.parseInt(number!, 16);
    const register = REGISTERS[n];
    if (register === undefined || value?.length !== 2 * register.bytes) return this.#reply("E01");
    writeRegister(this.#target, n, fromHex(value));
    this.#reply("OK");
  }
  #writeAll(text: string): void {
    const bytes = fromHex(text);
    let at = 0;
    for (const [n, { bytes: size }] of REGISTERS.entries()) {
      if (at + size > bytes.length) break;
      // Selectors are not loaded from here: gdb sends back what it has read.
      if (n < CORE_REGISTERS || n >= 16) writeRegister(this.#target, n, bytes.subarray(at, at + size));
      at += size;
    }
    this.#reply("OK");
  }

  #readMemory(text: string): void {
    const [address, length] = text.split(",").map((n) => Number.parseInt(n, 16));
    if (!(address! >= 0 && length! >= 0)) return this.#reply("E01");
    const most = Math.min(length!, PACKET_BYTES >> 1, 0x1_0000_0000 - address!);
    this.#target.readMemory(address!, most, (bytes) => this.#reply(bytes === null ? "E0e" : toHex(bytes)));
  }
  #writeMemory(text: string, decode: (data: string) => Uint8Array): void {
    const colon = text.indexOf(":");
    const [address, length] = text.slice(0, colon).split(",").map((n) => Number.parseInt(n, 16));
    const bytes = decode(text.slice(colon + 1));
    if (colon < 0 || !(address! >= 0) || bytes.length !== length) return this.#reply("E01");
    if (length === 0) return this.#reply("OK");
    this.#target.writeMemory(address!, bytes, (written) => this.#reply(written ? "OK" : "E0e"));
  }
  #breakpoint(packet: string): void {
    const spot = /^[zZ][01],([0-9a-f]+),/.exec(packet);
    if (spot === null) return this.#reply("");
    const address = Number.parseInt(spot[1]!, 16);
    if (packet[0] === "Z") this.#target.setBreakpoint(address);
    else this.#target.clearBreakpoint(address);
    this.#reply("OK");
  }
}

function checksum(text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum += text.charCodeAt(i);
  return sum & 0xff;
}
function ascii(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
}
function unescape(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bytes.push(code === ESCAPE ? text.charCodeAt(++i) ^ 0x20 : code);
  }
  return Uint8Array.from(bytes);
}
