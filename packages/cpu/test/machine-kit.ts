// SPDX-License-Identifier: BSD-3-Clause
/**
 * A small machine for tests: 1 MiB of RAM as a flat space from address 0, code given as bytes.
 * @module
 */
import { FlatSpace, MachineMemory, Translation } from "@vkernel/mmu";
import { Cpu, ESP, cpuAreaBytes, type CompileReply, type CpuOptions, type StartCompiler } from "../src/index.ts";
import { RegionCompiler } from "../src/jit/compiler.ts";

export const RAM_BYTES = 1024 * 1024;
export const CODE = 0x1000;
export const STACK = 0x8_0000;

export interface Machine {
  readonly memory: MachineMemory;
  readonly translation: Translation;
  readonly space: FlatSpace;
  readonly cpu: Cpu;
  /** Stores bytes at an address of the space as a kernel would, reporting the write. */
  poke(address: number, bytes: readonly number[]): void;
  peek(address: number, length: number): number[];
}

/** A machine whose EIP stands on `code` at CODE and whose stack is empty. */
export function machineWith(code: readonly number[], options: CpuOptions = {}): Machine {
  const memory = new MachineMemory({ ramBytes: RAM_BYTES, spaces: 2, cpuBytes: cpuAreaBytes(RAM_BYTES) });
  const translation = new Translation(memory);
  const space = new FlatSpace(translation);
  const cpu = new Cpu(memory, options);
  const machine: Machine = {
    memory,
    translation,
    space,
    cpu,
    poke(address, bytes) {
      memory.u8.set(bytes, memory.ramBase + address);
      memory.memoryWritten(memory.ramBase + address, bytes.length);
    },
    peek(address, length) {
      return [...memory.u8.subarray(memory.ramBase + address, memory.ramBase + address + length)];
    },
  };
  machine.poke(CODE, code);
  cpu.eip = CODE;
  cpu.gpr[ESP] = STACK;
  return machine;
}

/** A compiler beside the machine whose answers come when it has been asked for them `looks` times. */
export function lateCompiler(looks: number): StartCompiler {
  return (setup) => {
    const compiler = new RegionCompiler(setup, () => 0);
    const replies: { left: number; readonly reply: CompileReply }[] = [];
    return {
      failed: false,
      post: (request) => replies.push({ left: looks, reply: compiler.compile(structuredClone(request)) }),
      receive: () => (replies.length > 0 && --replies[0]!.left < 0 ? replies.shift()!.reply : null),
    };
  };
}
