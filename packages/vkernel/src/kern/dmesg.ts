// SPDX-License-Identifier: BSD-3-Clause
/**
 * The message buffer behind dmesg(8): the last lines of the kernel and of those who write to /dev/kmsg, each passed on to a sink as it
 * comes (Linux kernel/printk/printk.c; its syslog(2) and /dev/kmsg read here).
 *
 * Invariants
 *   DM1  Records are numbered without gaps from 0; those in [first, next) are kept, at most MSGBUF_LINES.
 *   DM2  `cleared` is where dmesg begins to show; `unread` (and `unreadAt` in that record's text) is where the one reader of syslog(2) and
 *        /proc/kmsg goes on. Both move only forward.
 * @module
 */
import { WaitChannel } from "../sys/wait.ts";

const MSGBUF_LINES = 2000;
/** What syslog(2) calls the buffer's size: room enough for all that it ever gives at once, bytes. */
export const MSGBUF_BYTES = 1 << 18;
/** Priority of the kernel's own lines: KERN_INFO. */
const KERN_INFO = 6;

export interface DmesgRecord {
  readonly seq: number;
  /** Facility · 8 + level. */
  readonly priority: number;
  /** Since boot, µs. */
  readonly timeUs: number;
  readonly text: string;
}

export class Dmesg {
  readonly #records: DmesgRecord[] = [];
  readonly #sink: ((line: string) => void) | null;
  readonly #now: () => number;
  #next = 0;
  #cleared = 0;
  #unread = 0;
  #unreadAt = 0;
  /** Woken by each record. */
  readonly chan = new WaitChannel("klog");

  /** `now`: monotonic time, ns. */
  constructor(sink: ((line: string) => void) | null, now: () => number) {
    this.#sink = sink;
    this.#now = now;
  }

  write(text: string, priority = KERN_INFO): void {
    for (const line of text.split("\n")) {
      this.#records[this.#next % MSGBUF_LINES] = { seq: this.#next, priority, timeUs: Math.floor(this.#now() / 1000), text: line };
      this.#next++;
      this.#sink?.(line);
    }
    this.chan.wakeup();
  }

  /** Numbers of the oldest record kept, of the oldest that dmesg shows, and of the one to come. */
  get first(): number {
    return Math.max(0, this.#next - MSGBUF_LINES);
  }
  get cleared(): number {
    return Math.max(this.first, this.#cleared);
  }
  get next(): number {
    return this.#next;
  }
  /** A record in [first, next). */
  record(seq: number): DmesgRecord {
    return this.#records[seq % MSGBUF_LINES]!;
  }

  /** The lines as text, oldest first. */
  text(): string {
    let out = "";
    for (let seq = this.first; seq < this.#next; seq++) out += `${this.record(seq).text}\n`;
    return out;
  }

  /** dmesg shows nothing of what is there now any more. */
  clear(): void {
    this.#cleared = this.#next;
  }

  /** The last whole records since clear() that fit in `len` bytes, as syslog(2) gives them. */
  last(len: number): string {
    let out = "";
    for (let seq = this.#next - 1; seq >= this.cleared; seq--) {
      const line = syslogLine(this.record(seq));
      if (out.length + line.length > len) break;
      out = line + out;
    }
    return out;
  }

  /** Bytes that readUnread() has to give. */
  get unreadBytes(): number {
    this.#catchUp();
    let bytes = -this.#unreadAt;
    for (let seq = this.#unread; seq < this.#next; seq++) bytes += syslogLine(this.record(seq)).length;
    return bytes;
  }

  /** Up to `len` bytes that have not been read so yet: whole records, or a part of one that is longer. */
  readUnread(len: number): string {
    this.#catchUp();
    let out = "";
    while (this.#unread < this.#next) {
      const line = syslogLine(this.record(this.#unread)).slice(this.#unreadAt);
      if (out.length + line.length > len) {
        if (out === "") {
          out = line.slice(0, len);
          this.#unreadAt += len;
        }
        break;
      }
      out += line;
      this.#unread++;
      this.#unreadAt = 0;
    }
    return out;
  }

  /** Records that were never read are gone. */
  #catchUp(): void {
    if (this.#unread >= this.first) return;
    this.#unread = this.first;
    this.#unreadAt = 0;
  }
}

/** A record as syslog(2) and /proc/kmsg show it. */
function syslogLine({ priority, timeUs, text }: DmesgRecord): string {
  return `<${priority}>[${(timeUs / 1e6).toFixed(6).padStart(12)}] ${text}\n`;
}
