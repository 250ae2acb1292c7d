// SPDX-License-Identifier: BSD-3-Clause
/** The message buffer behind dmesg(8): the last lines, bounded, each passed on to a sink as it comes. */

const MSGBUF_LINES = 2000;

export class Dmesg {
  private readonly lines: string[] = [];
  private start = 0;
  private readonly sink: ((line: string) => void) | null;
  constructor(sink: ((line: string) => void) | null) {
    this.sink = sink;
  }

  write(line: string): void {
    if (this.lines.length < MSGBUF_LINES) this.lines.push(line);
    else {
      this.lines[this.start] = line;
      this.start = (this.start + 1) % MSGBUF_LINES;
    }
    if (this.sink !== null) this.sink(line);
  }

  /** The buffer as text, oldest line first. */
  text(): string {
    const all = [...this.lines.slice(this.start), ...this.lines.slice(0, this.start)];
    return all.map((l) => l + "\n").join("");
  }
}
