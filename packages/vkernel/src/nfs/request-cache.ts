// SPDX-License-Identifier: BSD-3-Clause
/**
 * The duplicate request cache (Juszczak 1989; DragonFly 2.0 sys/vfs/nfs/nfs_srvcache.c): a client that lost its connection
 * sends its calls again, and a REMOVE that was carried out must not be told that there is no such file. So answers to calls
 * that are not the same twice are kept for a while.
 *
 * Invariants
 *   RC1  At most MOST_ENTRIES answers are kept, the latest ones. Calls under way are never dropped; their connections bound them.
 *   RC2  A call that comes again while the first is under way gets that one's answer when it is there. Each call that began
 *        is finished or forgotten, whatever became of it.
 * @module
 */

const MOST_ENTRIES = 2048;
/** How long an answer may be asked for again, ns. */
const LIFETIME_NS = 120e9;
/** Bytes of a call that are compared, besides its number and its sender. */
const COMPARED = 256;

export interface CachedCall {
  readonly key: string;
  readonly since: number;
  /** In pieces. */
  reply: readonly Uint8Array[] | null;
  /** Whoever sent it again meanwhile. */
  readonly waiting: ((reply: readonly Uint8Array[]) => void)[];
}

export class RequestCache {
  readonly #entries = new Map<string, CachedCall>();
  hits = 0;

  /** What tells a call from others: who sent it (an address without a port, since that changes), its number and contents. */
  static key(client: string, xid: number, message: Uint8Array): string {
    let hash = 0x811c9dc5;
    const end = Math.min(message.length, COMPARED);
    for (let i = 0; i < end; i++) hash = Math.imul(hash ^ message[i]!, 0x01000193);
    return `${client} ${xid} ${message.length} ${hash}`;
  }

  /** The call if it was seen before. */
  find(key: string, now: number): CachedCall | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (entry.reply !== null && now - entry.since > LIFETIME_NS) {
      this.#entries.delete(key);
      return null;
    }
    this.hits++;
    return entry;
  }

  begin(key: string, now: number): CachedCall {
    const entry: CachedCall = { key, since: now, reply: null, waiting: [] };
    this.#entries.set(key, entry);
    this.#trim();
    return entry;
  }
  /** Drops answers, the oldest first (RC1). */
  #trim(): void {
    if (this.#entries.size <= MOST_ENTRIES) return;
    for (const old of this.#entries.values()) {
      if (old.reply !== null) this.#entries.delete(old.key);
      if (this.#entries.size <= MOST_ENTRIES) return;
    }
  }

  /** The answer has been made. */
  finish(entry: CachedCall, reply: readonly Uint8Array[]): void {
    this.#answer(entry, reply);
    this.#trim();
  }
  /** There is no answer that is worth keeping: those who wait get this one, and the call may be carried out again. */
  forget(entry: CachedCall, reply: readonly Uint8Array[]): void {
    this.#entries.delete(entry.key);
    this.#answer(entry, reply);
  }
  #answer(entry: CachedCall, reply: readonly Uint8Array[]): void {
    entry.reply = reply;
    for (const tell of entry.waiting.splice(0)) tell(reply);
  }
  /** Calls under way and answers that are kept. */
  get size(): number {
    return this.#entries.size;
  }
}
