// SPDX-License-Identifier: BSD-3-Clause
import { DeviceSpace, type Device } from "@vkernel/mmu";
import { describe, expect, test } from "vitest";
import { EAX, EBX, ECX, EDI, EDX, ESI, EXC_PF, EXIT_BUDGET, EXIT_EXCEPTION, EXIT_INTERRUPT, EXIT_SOFTINT } from "../src/index.ts";
import { CODE, machineWith, type Machine } from "./machine-kit.ts";

const PORT = 0x4_0000;
const PAGE = 0x1000;

/** A device of bytes that notes every access: "r4@10", "w1@3=ff". */
class Recorder implements Device {
  readonly bytes = new Uint8Array(2 * PAGE);
  readonly log: string[] = [];
  #value(offset: number, size: number): bigint {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[offset + i]!);
    return value;
  }
  #set(offset: number, size: number, value: bigint): void {
    for (let i = 0; i < size; i++) this.bytes[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    this.log.push(`w${size}@${offset.toString(16)}=${value.toString(16)}`);
  }
  #get(offset: number, size: number): bigint {
    this.log.push(`r${size}@${offset.toString(16)}`);
    return this.#value(offset, size);
  }
  read(offset: number, size: number): number {
    return Number(this.#get(offset, size));
  }
  write(offset: number, size: number, value: number): void {
    this.#set(offset, size, BigInt(value));
  }
}
class WideRecorder extends Recorder {
  #wide(): Recorder {
    return this;
  }
  readWide(offset: number, size: number): bigint {
    const low = BigInt.asUintN(64, 0x1122_3344_5566_7788n);
    this.log.push(`R${size}@${offset.toString(16)}`);
    return size === 8 ? low : (0x99aa_bbcc_ddee_ff00n << 64n) | low;
  }
  writeWide(offset: number, size: number, value: bigint): void {
    this.#wide().log.push(`W${size}@${offset.toString(16)}=${value.toString(16)}`);
  }
}

interface DeviceMachine extends Machine {
  readonly devices: DeviceSpace;
}
function machine(code: readonly number[], device: Device, threshold = Infinity): DeviceMachine {
  const m = machineWith([...code, 0xcd, 0x80], { jit: { threshold } });
  m.cpu.softInterruptGates[0x80] = 1;
  const devices = new DeviceSpace(m.translation, m.space);
  devices.map(PORT, PAGE, device);
  m.cpu.gpr[EBX] = PORT;
  return { ...m, devices };
}
/** What the device saw of `code`, run to its end with EBX at the device. */
function seen(code: readonly number[], set: (m: DeviceMachine) => void = () => {}, device = new Recorder()): string[] {
  const m = machine(code, device);
  set(m);
  expect(m.cpu.run(m.devices, 100_000)).toBe(EXIT_SOFTINT);
  return device.log;
}

describe("an access of an instruction reaches the device once, whole and in order", () => {
  test("widths of loads and stores", () => {
    expect(seen([0x8a, 0x43, 3])).toEqual(["r1@3"]); // mov al, [ebx+3]
    expect(seen([0x66, 0x8b, 0x43, 3])).toEqual(["r2@3"]); // mov ax, [ebx+3]
    expect(seen([0x8b, 0x43, 1])).toEqual(["r4@1"]); // mov eax, [ebx+1]
    expect(seen([0x88, 0x43, 3], (m) => (m.cpu.gpr[EAX] = 0x1ff))).toEqual(["w1@3=ff"]); // mov [ebx+3], al
    expect(seen([0x89, 0x43, 4], (m) => (m.cpu.gpr[EAX] = -1))).toEqual(["w4@4=ffffffff"]); // mov [ebx+4], eax
  });
  test("a read-modify-write reads, then writes; a comparison only reads", () => {
    expect(seen([0x83, 0x43, 8, 5])).toEqual(["r4@8", "w4@8=5"]); // add dword [ebx+8], 5
    expect(seen([0xf0, 0x0f, 0xc1, 0x43, 8], (m) => (m.cpu.gpr[EAX] = 7))).toEqual(["r4@8", "w4@8=7"]); // lock xadd
    expect(seen([0x86, 0x43, 8], (m) => (m.cpu.gpr[EAX] = 9))).toEqual(["r1@8", "w1@8=9"]); // xchg [ebx+8], al
    expect(seen([0x3b, 0x43, 8])).toEqual(["r4@8"]); // cmp eax, [ebx+8]
    expect(seen([0x0f, 0xba, 0x6b, 8, 3])).toEqual(["r4@8", "w4@8=8"]); // bts dword [ebx+8], 3
  });
  test("a repeated string instruction accesses element by element, downwards too", () => {
    const set = (m: DeviceMachine): void => {
      m.cpu.gpr.set([0x41], EAX);
      m.cpu.gpr[ECX] = 3;
      m.cpu.gpr[EDI] = PORT + 8;
    };
    expect(seen([0xf3, 0xaa], set)).toEqual(["w1@8=41", "w1@9=41", "w1@a=41"]); // rep stosb
    expect(seen([0xfd, 0xf3, 0x66, 0xab], set)).toEqual(["w2@8=41", "w2@6=41", "w2@4=41"]); // std; rep stosw
    const copy = (m: DeviceMachine): void => {
      m.cpu.gpr[ECX] = 2;
      m.cpu.gpr[ESI] = PORT;
      m.cpu.gpr[EDI] = PORT + 0x10;
    };
    expect(seen([0xf3, 0xa5], copy)).toEqual(["r4@0", "w4@10=0", "r4@4", "w4@14=0"]); // rep movsd
  });
  test("8 and 16 bytes: in fours, or whole where the device can", () => {
    const code = [0x66, 0x0f, 0xd6, 0x43, 8, 0xf3, 0x0f, 0x6f, 0x4b, 0x10, 0xf3, 0x0f, 0x7f, 0x4b, 0x21];
    // movq [ebx+8], xmm0; movdqu xmm1, [ebx+0x10]; movdqu [ebx+0x21], xmm1
    const fours = ["w4@8=0", "w4@c=0", ...[0, 4, 8, 12].map((i) => `r4@${(16 + i).toString(16)}`)];
    expect(seen(code)).toEqual([...fours, ...[0, 4, 8, 12].map((i) => `w4@${(0x21 + i).toString(16)}=0`)]);
    const wide = seen(code, undefined, new WideRecorder());
    expect(wide).toEqual(["W8@8=0", "R16@10", "W16@21=99aabbccddeeff001122334455667788"]);
    // fld tbyte [ebx]; fstp tbyte [ebx+16]
    expect(seen([0xdb, 0x2b, 0xdb, 0x7b, 0x10])).toEqual([
      ..."r4@0 r4@4 r2@8".split(" "), ..."w4@10=0 w4@14=0 w2@18=0".split(" "),
    ]);
  });
  test("an access over the page end is split between memory and device", () => {
    const store = [0x89, 0x83, ...le(-2)]; // mov [ebx-2], eax
    const device = new Recorder();
    const m = machine([...store, 0x8b, 0x8b, ...le(-1)], device); // mov ecx, [ebx-1]
    m.cpu.gpr[EAX] = 0x4433_2211;
    expect(m.cpu.run(m.devices, 1000)).toBe(EXIT_SOFTINT);
    expect(device.log).toEqual(["w2@0=4433", "r2@0", "r1@2"]);
    expect(m.peek(PORT - 2, 3)).toEqual([0x11, 0x22, 0]);
    expect(m.cpu.gpr[ECX]).toBe(0x4433_22);
  });
});

test("whether the code is interpreted, compiled or stepped, the device sees the same", () => {
  // mov ecx, 4; top: add [ebx], ecx; adc al, [ebx+1]; push dword [ebx]; pop dword [ebx+8]; dec ecx; jnz top
  const code = [0xb9, 4, 0, 0, 0, 0x01, 0x0b, 0x12, 0x43, 1, 0xff, 0x33, 0x8f, 0x43, 8, 0x49, 0x75, 0xf3];
  const runs = [Infinity, 0].map((threshold) => {
    const device = new Recorder();
    const m = machine(code, device, threshold);
    expect(m.cpu.run(m.devices, 1000)).toBe(EXIT_SOFTINT);
    return { log: device.log, gpr: [...m.cpu.gpr], flags: m.cpu.eflags };
  });
  expect(runs[0]!.log.length).toBe(4 * 5);
  expect(runs[1]).toEqual(runs[0]);
});

test("a callback sees the processor before the instruction, and can stop it behind", () => {
  const code = [0x40, 0x8b, 0x13, 0x40]; // inc eax; mov edx, [ebx]; inc eax
  let at = -1;
  const m = machine(code, {
    read: () => {
      at = m.cpu.eip;
      m.cpu.interruptPending = true;
      return 0x1_0000_0001;
    },
    write: () => {},
  });
  expect(m.cpu.run(m.devices, 1000)).toBe(EXIT_INTERRUPT);
  expect([at, m.cpu.eip, m.cpu.gpr[EDX], m.cpu.gpr[EAX], m.cpu.retired]).toEqual([CODE + 1, CODE + 3, 1, 1, 2]);
});

test("what a callback throws comes out of run(), and the instruction can be executed again", () => {
  let busy = true;
  const m = machine([0x40, 0x13, 0x03], { // inc eax; adc eax, [ebx]
    read: () => {
      if (busy) throw new Error("busy");
      return 5;
    },
    write: () => {},
  });
  expect(() => m.cpu.run(m.devices, 1000)).toThrow("busy");
  expect([m.cpu.eip, m.cpu.gpr[EAX], m.cpu.retired]).toEqual([CODE + 1, 1, 1]);
  busy = false;
  expect(m.cpu.run(m.devices, 1000)).toBe(EXIT_SOFTINT);
  expect([m.cpu.gpr[EAX], m.cpu.retired]).toEqual([6, 3]);
});

test("no access is made when its other page faults, and none is made for fetching", () => {
  const device = new Recorder();
  const m = machine([0x89, 0x83, ...le(PAGE - 2)], device); // mov [ebx+0xffe], eax
  m.devices.map(0xf_f000, PAGE, device); // the last page of RAM
  m.cpu.gpr[EBX] = 0xf_f000;
  expect([m.cpu.run(m.devices, 10), m.cpu.vector, m.cpu.cr2]).toEqual([EXIT_EXCEPTION, EXC_PF, 0x10_0000]);
  m.cpu.eip = PORT;
  expect([m.cpu.run(m.devices, 10), m.cpu.vector, m.cpu.cr2]).toEqual([EXIT_EXCEPTION, EXC_PF, PORT]);
  expect(m.cpu.errorCode).toBe(5);
  expect(device.log).toEqual([]);
});

test("mapping and unmapping between runs take effect at once", () => {
  const device = new Recorder();
  const m = machine([0x8b, 0x03], device);
  m.poke(PORT, [1, 2, 3, 4]);
  m.devices.unmap(PORT, PAGE);
  const read = (): number => {
    m.cpu.eip = CODE;
    expect(m.cpu.run(m.devices, 10)).toBe(EXIT_SOFTINT);
    return m.cpu.gpr[EAX]!;
  };
  expect(read()).toBe(0x0403_0201);
  m.devices.map(PORT, PAGE, device);
  expect([read(), device.log.length]).toEqual([0, 1]);
  m.devices.unmap(PORT, PAGE);
  expect([read(), device.log.length]).toEqual([0x0403_0201, 1]);
  expect(() => m.devices.map(PORT + 1, PAGE, device)).toThrow("is not a range of whole pages");
  m.devices.map(PORT, PAGE, device);
  expect(() => m.devices.map(PORT - PAGE, 2 * PAGE, device)).toThrow("page 0x40000 has a device");
  expect(m.cpu.run(m.devices, 0)).toBe(EXIT_BUDGET);
});

function le(n: number): number[] {
  return [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255];
}
