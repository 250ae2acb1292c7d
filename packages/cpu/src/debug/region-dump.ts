// SPDX-License-Identifier: BSD-3-Clause
/**
 * A compiled region for people: the guest's bytes, their disassembly, and the WebAssembly text of the function.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { disassemble } from "../decode/disassemble.ts";
import type { Region } from "../jit/blocks.ts";
import { functionToWat } from "../wasm/wat.ts";

export interface RegionDump {
  /** Addresses of the first instruction of each block, in address order. */
  readonly blocks: readonly number[];
  /** Addresses where the region can be entered. */
  readonly entries: readonly number[];
  /** Addresses of all its instructions, in address order. */
  readonly instructions: readonly number[];
  /** All of it as text, several hundred lines. */
  text(): string;
}

const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");

/** The dump of a region whose base page lies at `pageBase`; its code is function `index` of `module`. To be asked for text() at once. */
export function regionDump(memory: MachineMemory, region: Region, pageBase: number, module: Uint8Array, index: number): RegionDump {
  const address = (offset: number): number => (pageBase + offset) >>> 0;
  const all = region.blocks.flatMap((block) => block.instructions);
  const bytesAt = (offset: number, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) => {
      const part = region.pages.find(({ delta }) => delta === (offset + i) >> 12);
      // The end of an instruction may lie in a page that is not one of the region's.
      return part === undefined ? 0 : memory.u8[part.address + ((offset + i) & 0xfff)]!;
    });
  return {
    blocks: region.blocks.map((block) => address(block.offset)),
    entries: region.entries.map((block) => address(block.offset)),
    instructions: all.map((i) => address(i.offset)),
    text() {
      const lines = [
        `region ${hex(address(region.starts[0]!))}: ${all.length} instructions, ${region.blocks.length} blocks, ` +
          `${region.entries.length} entries, ${region.loops.length} loops, ${region.pages.length} pages`,
      ];
      for (const block of region.blocks) {
        lines.push(block.entry < 0 ? "block" : `block, entry ${block.entry}`);
        for (const { offset, next } of block.instructions) {
          const bytes = bytesAt(offset, next - offset);
          const shown = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
          lines.push(`  ${hex(address(offset))}  ${shown.padEnd(30)} ${disassemble(bytes, address(offset)).text}`);
        }
      }
      return `${lines.join("\n")}\n${functionToWat(module, index)}\n`;
    },
  };
}
