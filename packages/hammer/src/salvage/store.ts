// SPDX-License-Identifier: BSD-3-Clause
/**
 * What a scan of a damaged image has found: B-Tree nodes that pass their CRC, and the elements of their leaves.
 *
 * An image may hold tens of millions of elements, so they are kept as they are on disk, 64 bytes each, and ordered by an
 * array of indices.
 * @module
 */
import { cmpKey, Key } from "../btree/key.ts";
import { ELM_WORDS } from "../disk/index.ts";

const CHUNK_SHIFT = 14;
const CHUNK_MASK = (1 << CHUNK_SHIFT) - 1;

/** A growing list of leaf elements, as words. */
export class ElementStore {
  readonly #chunks: Int32Array[] = [];
  /** Number of the node each element was found in. */
  #nodes = new Int32Array(1 << CHUNK_SHIFT);
  count = 0;

  /** Adds the element at word `at` of `w`. */
  push(w: Int32Array, at: number, node: number): void {
    const i = this.count++;
    if ((i & CHUNK_MASK) === 0) this.#chunks.push(new Int32Array(ELM_WORDS << CHUNK_SHIFT));
    const to = (i & CHUNK_MASK) * ELM_WORDS;
    const chunk = this.#chunks[i >> CHUNK_SHIFT]!;
    for (let k = 0; k < ELM_WORDS; k++) chunk[to + k] = w[at + k]!;
    if (i === this.#nodes.length) {
      const grown = new Int32Array(i * 2);
      grown.set(this.#nodes);
      this.#nodes = grown;
    }
    this.#nodes[i] = node;
  }

  /** Word `k` (a W_ constant) of element `i`. */
  word(i: number, k: number): number {
    return this.#chunks[i >> CHUNK_SHIFT]![(i & CHUNK_MASK) * ELM_WORDS + k]!;
  }

  nodeOf(i: number): number { return this.#nodes[i]!; }

  /** Indices of the elements that `keep` lets pass, in the order of their keys; those of one key in the order found. */
  sorted(keep: (i: number) => boolean): Uint32Array {
    let n = 0;
    const order = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i++) if (keep(i)) order[n++] = i;
    const key = new Key();
    return order.subarray(0, n).sort((a, b) => this.#compare(key, a, b) || a - b);
  }

  /** True if the two have the same key, create_tid included. */
  sameKey(a: number, b: number): boolean { return this.#compare($key, a, b) === 0; }

  #compare(key: Key, a: number, b: number): number {
    key.load(this.#chunks[a >> CHUNK_SHIFT]!, (a & CHUNK_MASK) * ELM_WORDS);
    return cmpKey(key, this.#chunks[b >> CHUNK_SHIFT]!, (b & CHUNK_MASK) * ELM_WORDS);
  }
}

const $key = new Key();

/** A node that passed its CRC. Offsets are zone offsets in the halves they have on disk, as one number: see offset.ts. */
export interface FoundNode {
  /** Index of the device, and byte of the device. */
  device: number;
  byte: number;
  leaf: boolean;
  /** Address of the parent, 0 for a root. */
  parent: number;
  /** Addresses of the children, of an internal node. */
  children: readonly number[];
}
