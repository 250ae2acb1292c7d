// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs a static i386 ELF with write and exit of the Linux ABI on a bare Cpu: enough for compute benchmarks.
 * @module
 */
import { readFileSync } from "node:fs";
import { Cpu, EAX, EBX, ECX, EDX, ESP, EXIT_BUDGET, EXIT_SOFTINT, cpuAreaBytes } from "@vkernel/cpu";
import { FlatSpace, MachineMemory, Translation } from "@vkernel/mmu";

const SYS_EXIT = 1;
const SYS_WRITE = 4;
const PT_LOAD = 1;
const ENOSYS = 38;

export class ElfMachine {
  constructor(file, options = {}) {
    const ramBytes = options.ramBytes ?? 256 * 1024 * 1024;
    this.memory = new MachineMemory({ ramBytes, spaces: 1, cpuBytes: cpuAreaBytes(ramBytes) });
    this.space = new FlatSpace(new Translation(this.memory));
    this.cpu = new Cpu(this.memory, options.cpu ?? {});
    this.cpu.softInterruptGates[0x80] = 1;
    this.output = "";
    const elf = readFileSync(file);
    const d = new DataView(elf.buffer, elf.byteOffset, elf.length);
    const entries = d.getUint16(44, true);
    for (let i = 0; i < entries; i++) {
      const at = d.getUint32(28, true) + 32 * i;
      if (d.getUint32(at, true) !== PT_LOAD) continue;
      const offset = d.getUint32(at + 4, true);
      const va = d.getUint32(at + 8, true);
      this.memory.u8.set(elf.subarray(offset, offset + d.getUint32(at + 16, true)), this.memory.ramBase + va);
    }
    this.cpu.eip = d.getUint32(24, true);
    this.cpu.gpr[ESP] = ramBytes - 4096;
  }

  /** Runs to exit(); returns the status. Throws for anything but write and exit. */
  run() {
    const { cpu } = this;
    for (;;) {
      const exit = cpu.run(this.space, 10_000_000);
      if (exit === EXIT_BUDGET) continue;
      if (exit !== EXIT_SOFTINT) {
        throw new Error(
          `exit ${exit} vector ${cpu.vector} error ${cpu.errorCode} cr2 ${cpu.cr2.toString(16)} eip ${cpu.eip.toString(16)} ${cpu.undefinedInstruction ?? ""}`,
        );
      }
      const number = cpu.gpr[EAX];
      if (number === SYS_EXIT) return cpu.gpr[EBX];
      if (number === SYS_WRITE) {
        const host = this.memory.ramBase + (cpu.gpr[ECX] >>> 0);
        this.output += Buffer.from(this.memory.u8.subarray(host, host + cpu.gpr[EDX])).toString("latin1");
        cpu.gpr[EAX] = cpu.gpr[EDX];
      } else cpu.gpr[EAX] = -ENOSYS;
    }
  }
}
