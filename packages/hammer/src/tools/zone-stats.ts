// SPDX-License-Identifier: BSD-3-Clause
/** Zone statistics of `hammer -v show|blockmap|checkmap`. Source: DragonFly sbin/hammer/misc.c. */
import { BIGBLOCK_SIZE } from "../disk/index.ts";
import { g } from "./format.ts";
import { ZONE_LABELS } from "./header.ts";

/** Big-blocks, items and bytes in use by zone. */
export class ZoneStats {
  readonly #blocks = new Float64Array(16);
  readonly #items = new Float64Array(16);
  readonly #used = new Float64Array(16);
  readonly #seen = new Set<bigint>();

  /** Counts one item of `bytes` at a zone offset; its big-block once. */
  add(offset: bigint, bytes: number): void {
    const zone = Number(offset >> 60n);
    const block = offset >> 23n;
    const address = block & ~(0xfn << 37n);
    if (!this.#seen.has(address)) {
      this.#seen.add(address);
      this.#blocks[zone]!++;
    }
    this.#items[zone]!++;
    this.#used[zone]! += bytes;
  }

  /** Counts a whole big-block from its layer 2 entry. */
  addLayer2(zone: number, bytesFree: number): void {
    this.#blocks[zone & 15]!++;
    this.#used[zone & 15]! += BIGBLOCK_SIZE - bytesFree;
  }

  print(print: (text: string) => void): void {
    const row = (label: string, blocks: number, items: number, used: number): string =>
      `${label} ${String(blocks).padEnd(12)} ${String(items).padEnd(18)} ${String(used).padEnd(19)} `
      + `${g(blocks === 0 ? 0 : (used * 100) / (blocks * BIGBLOCK_SIZE))}\n`;
    print("HAMMER zone statistics\n");
    print("zone #             blocks       items              used[B]             used[%]\n");
    let blocks = 0, items = 0, used = 0;
    for (let i = 0; i < 16; i++) {
      print(row(`zone ${String(i).padEnd(2)} ${ZONE_LABELS[i]!.padEnd(10)}`, this.#blocks[i]!, this.#items[i]!, this.#used[i]!));
      blocks += this.#blocks[i]!;
      items += this.#items[i]!;
      used += this.#used[i]!;
    }
    print(`${"-".repeat(80)}\n`);
    print(row("total             ", blocks, items, used));
  }
}
