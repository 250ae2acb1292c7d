// SPDX-License-Identifier: BSD-3-Clause
/**
 * The terminal line discipline: what becomes of each character typed and printed (DragonFly 2.0
 * sys/kern/tty.c: ttyinput, ttyoutput, ttyrub, ttyecho; termios(4)).
 *
 * Invariants
 *   LD1  In canonical mode `lines` is the number of marked bytes in tty.inq, and `lineStart` the index behind the
 *        last of them: what lies from there on is still being edited.
 *   LD2  MARK_LINE ends a line and is part of it; MARK_EOF ends a line and is not handed to the reader.
 *   LD3  `column` is the cursor's column as far as output and echo tell; `lineColumn` is where the line being
 *        edited began, and is exact only until something else prints (then the line is shown anew).
 * @module
 */
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { SIGINFO, SIGINT, SIGQUIT, SIGTSTP } from "../sys/signal.ts";
import * as t from "../sys/termios.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { Tty } from "./tty.ts";

const MARK_LINE = 1;
const MARK_EOF = 2;

const NL = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const BS = 0x08;
const BEL = 0x07;
const DEL = 0x7f;

export class LineDiscipline {
  private readonly tty: Tty;
  /** Scratch for put(). */
  private readonly $one = new Uint8Array(1);
  /** Complete lines in the input queue (LD1). */
  lines = 0;
  private lineStart = 0;
  /** The next character is literal (VLNEXT). */
  private literal = false;
  /** Inside a \.../ run of ECHOPRT. */
  private erasing = false;
  /** Output is discarded until VDISCARD is typed again. */
  private discarding = false;
  private column = 0;
  private lineColumn = 0;

  constructor(tty: Tty) {
    this.tty = tty;
  }

  reset(): void {
    this.lines = 0;
    this.lineStart = 0;
    this.literal = false;
    this.erasing = false;
    this.discarding = false;
  }

  /** Whether a character acts at once even when the input queue is full: signals and output control. */
  isControl(byte: number): boolean {
    const { iflag, lflag, cc } = this.tty.termios;
    if ((lflag & t.ISIG) !== 0 && (byte === cc[t.VINTR] || byte === cc[t.VQUIT] || byte === cc[t.VSUSP])) return true;
    return (iflag & t.IXON) !== 0 && (byte === cc[t.VSTART] || byte === cc[t.VSTOP]);
  }

  /** One character from the line. */
  input(byte: number): void {
    const tty = this.tty;
    const { iflag, lflag, cc } = tty.termios;
    let c = byte;
    if ((iflag & t.ISTRIP) !== 0) c &= 0x7f;
    if (c === t.POSIX_VDISABLE) {
      // 0xff matches no control character, whatever is switched off.
      if ((iflag & (t.PARMRK | t.ISTRIP)) === t.PARMRK) this.append(c, 0);
      this.ordinary(c);
      return;
    }
    if (this.literal) {
      this.literal = false;
      this.ordinary(c);
      return;
    }
    const extended = (lflag & t.IEXTEN) !== 0;
    if (extended && c === cc[t.VLNEXT] && (lflag & t.ICANON) !== 0) {
      if ((lflag & t.ECHO) !== 0) {
        this.put(0x5e);
        this.put(BS);
      }
      this.literal = true;
      return;
    }
    if (extended && c === cc[t.VDISCARD] && (lflag & t.ICANON) !== 0) {
      this.discarding = !this.discarding;
      if (this.discarding) tty.outq.clear();
      return;
    }
    this.discarding = false;
    if ((iflag & t.IXON) !== 0 && this.flowControl(c)) return;
    if (tty.stopped && (iflag & (t.IXON | t.IXANY)) === (t.IXON | t.IXANY)) tty.setStopped(false);
    if ((lflag & t.ISIG) !== 0 && this.signalKey(c)) return;
    if (c === CR) {
      if ((iflag & t.IGNCR) !== 0) return;
      if ((iflag & t.ICRNL) !== 0) c = NL;
    } else if (c === NL && (iflag & t.INLCR) !== 0) c = CR;
    if ((lflag & t.ICANON) !== 0) this.canonicalInput(c);
    else this.ordinary(c);
  }

  /** VSTOP and VSTART; one character for both toggles. */
  private flowControl(c: number): boolean {
    const tty = this.tty;
    const { cc } = tty.termios;
    if (c === cc[t.VSTOP]) {
      tty.setStopped(c === cc[t.VSTART] ? !tty.stopped : true);
      return true;
    }
    if (c !== cc[t.VSTART]) return false;
    tty.setStopped(false);
    return true;
  }

  private signalKey(c: number): boolean {
    const tty = this.tty;
    const { lflag, cc } = tty.termios;
    let sig: number;
    if (c === cc[t.VINTR]) sig = SIGINT;
    else if (c === cc[t.VQUIT]) sig = SIGQUIT;
    else if (c === cc[t.VSUSP]) sig = SIGTSTP;
    else if (c === cc[t.VSTATUS] && (lflag & (t.IEXTEN | t.ICANON)) === (t.IEXTEN | t.ICANON)) {
      this.printStatus();
      tty.signal(SIGINFO);
      return true;
    } else return false;
    // What the driver can take now was printed before the key was pressed.
    tty.start();
    if ((lflag & t.NOFLSH) === 0) tty.flush(sig === SIGTSTP ? FREAD : FREAD | FWRITE);
    this.echo(c);
    tty.setStopped(false);
    tty.signal(sig);
    return true;
  }

  /** The line that VSTATUS and TIOCSTAT print. */
  printStatus(): void {
    const tty = this.tty;
    if ((tty.termios.lflag & t.NOKERNINFO) !== 0 || tty.status === null) return;
    if (this.column > 0) this.put(NL);
    const line = tty.status();
    for (let i = 0; i < line.length; i++) this.put(line.charCodeAt(i));
    this.put(NL);
  }

  private canonicalInput(c: number): void {
    const tty = this.tty;
    const { lflag, cc } = tty.termios;
    const extended = (lflag & t.IEXTEN) !== 0;
    if (c === cc[t.VERASE] || c === cc[t.VERASE2]) {
      if (tty.inq.count > this.lineStart) this.eraseOne();
      return;
    }
    if (c === cc[t.VKILL]) {
      this.kill();
      return;
    }
    if (extended && c === cc[t.VWERASE]) {
      this.eraseWord();
      return;
    }
    if (extended && c === cc[t.VREPRINT]) {
      this.reprint();
      return;
    }
    if (c === cc[t.VEOF]) {
      this.endErasing();
      if (this.tty.echoesEof && (lflag & t.ECHO) !== 0 && (lflag & t.ECHOCTL) !== 0) {
        // Shown, and the cursor put back on it.
        this.echo(c);
        this.put(BS);
        this.put(BS);
      }
      this.mark(c, MARK_EOF);
      return;
    }
    if (c === NL || c === cc[t.VEOL] || (extended && c === cc[t.VEOL2])) {
      this.endErasing();
      if ((lflag & t.ECHO) !== 0) this.echo(c);
      else if (c === NL && (lflag & t.ECHONL) !== 0) this.put(NL);
      this.mark(c, MARK_LINE);
      return;
    }
    this.ordinary(c);
  }

  /** Queues a character that means nothing but itself, and echoes it. */
  private ordinary(c: number): void {
    const tty = this.tty;
    const { iflag, lflag } = tty.termios;
    if (tty.inq.room < 2) {
      if ((iflag & t.IMAXBEL) !== 0) this.put(BEL);
      return;
    }
    if ((lflag & t.ICANON) !== 0 && tty.inq.count === this.lineStart) this.lineColumn = this.column;
    this.append(c, 0);
    if ((lflag & t.ECHO) !== 0) {
      this.endErasing();
      this.echo(c);
    }
  }

  private append(c: number, mark: number): void {
    this.tty.inq.put(c, mark);
  }

  /** Ends the line being edited. One place is always kept for the mark (ordinary() stops at two). */
  private mark(c: number, mark: number): void {
    if (!this.tty.inq.put(c, mark)) return;
    this.lines++;
    this.lineStart = this.tty.inq.count;
  }

  // Reading

  /** Bytes in complete lines. */
  completeBytes(): number {
    if (this.lines === 0) return 0;
    let n = 0;
    for (let i = 0; i < this.lineStart; i++) if (this.tty.inq.markAt(i) !== MARK_EOF) n++;
    return n;
  }

  /** Canonical read: at most one line. 0 for a line that is nothing but an end of file. */
  readLine(buf: Uint8Array, off: number, len: number): number {
    if (this.lines === 0) return WOULDBLOCK;
    const { inq, termios } = this.tty;
    const { cc, lflag } = termios;
    const delayed = (lflag & (t.ISIG | t.IEXTEN)) === (t.ISIG | t.IEXTEN) ? cc[t.VDSUSP]! : t.POSIX_VDISABLE;
    let n = 0;
    while (n < len && inq.count > 0) {
      const mark = inq.markAt(0);
      const c = inq.byteAt(0);
      this.consume();
      if (mark === MARK_EOF) break;
      if (mark === 0 && c === delayed && delayed !== t.POSIX_VDISABLE) {
        this.tty.signal(SIGTSTP);
        if (n === 0) return WOULDBLOCK;
        break;
      }
      buf[off + n++] = c;
      if (mark === MARK_LINE) break;
    }
    // An end of file right behind a full buffer belongs to this line: the next read must not see it as its own.
    if (n === len && n > 0 && inq.count > 0 && this.eofIsNext() && buf[off + n - 1] !== NL) this.consume();
    return n;
  }

  private eofIsNext(): boolean {
    return this.lines > 0 && this.tty.inq.markAt(0) === MARK_EOF;
  }

  private consume(): void {
    if (this.tty.inq.markAt(0) !== 0) this.lines--;
    this.tty.inq.shift();
    if (this.lineStart > 0) this.lineStart--;
  }

  /** Non-canonical read of what there is. Ends of file typed before the mode changed are not data. */
  readRaw(buf: Uint8Array, off: number, len: number): number {
    const inq = this.tty.inq;
    if (this.lines === 0) return inq.take(buf, off, len);
    let n = 0;
    while (n < len && inq.count > 0) {
      const mark = inq.markAt(0);
      const c = inq.byteAt(0);
      this.consume();
      if (mark !== MARK_EOF) buf[off + n++] = c;
    }
    return n;
  }

  /**
   * ICANON changed. To raw: what is queued can be read as it is. To canonical: what was typed ahead is taken as
   * typed now, so that its line ends and erasures count (PENDIN).
   */
  modeChanged(): void {
    this.literal = false;
    this.erasing = false;
    if (!this.tty.canonical || this.tty.inq.count === 0 || this.lines > 0) {
      if (this.tty.canonical) this.lineStart = this.lastMark();
      return;
    }
    const typed = this.tty.inq.takeAll();
    this.lineStart = 0;
    for (const c of typed) this.input(c);
    this.tty.start();
  }

  private lastMark(): number {
    for (let i = this.tty.inq.count; i > 0; i--) if (this.tty.inq.markAt(i - 1) !== 0) return i;
    return 0;
  }

  // Erasing

  /** Takes one character off the line: several bytes of UTF-8 with IUTF8. */
  private eraseOne(): void {
    const { inq, termios } = this.tty;
    const utf8 = (termios.iflag & t.IUTF8) !== 0;
    let c = inq.unput();
    let width = this.widthOf(c, inq.count);
    while (utf8 && (c & 0xc0) === 0x80 && inq.count > this.lineStart) {
      c = inq.unput();
      width += this.widthOf(c, inq.count);
    }
    this.rubout(c, width);
  }

  /** Columns that a character at index `at` of the queue takes on the screen. */
  private widthOf(c: number, at: number): number {
    const { iflag, lflag } = this.tty.termios;
    if (c === TAB) {
      let column = this.lineColumn;
      for (let i = this.lineStart; i < at; i++) column += this.widthOf(this.tty.inq.byteAt(i), i);
      return 8 - (column & 7);
    }
    if (c < 0x20 || c === DEL) return (lflag & t.ECHOCTL) !== 0 ? 2 : 0;
    return (iflag & t.IUTF8) !== 0 && (c & 0xc0) === 0x80 ? 0 : 1;
  }

  private rubout(c: number, width: number): void {
    const { lflag, cc } = this.tty.termios;
    if ((lflag & t.ECHO) === 0) return;
    if ((lflag & t.ECHOPRT) !== 0) {
      if (!this.erasing) this.put(0x5c);
      this.erasing = true;
      this.echo(c);
    } else if ((lflag & t.ECHOE) !== 0) {
      for (let i = 0; i < width; i++) this.put(BS);
      if (c === TAB) return;
      for (let i = 0; i < width; i++) this.put(0x20);
      for (let i = 0; i < width; i++) this.put(BS);
    } else this.echo(cc[t.VERASE]!);
  }

  private endErasing(): void {
    if (!this.erasing) return;
    this.erasing = false;
    this.put(0x2f);
  }

  private kill(): void {
    const { inq, termios } = this.tty;
    const { lflag } = termios;
    if ((lflag & t.ECHOKE) !== 0 && (lflag & t.ECHOPRT) === 0) {
      while (inq.count > this.lineStart) this.eraseOne();
      return;
    }
    while (inq.count > this.lineStart) inq.unput();
    if ((lflag & t.ECHO) !== 0) this.echo(termios.cc[t.VKILL]!);
    if ((lflag & (t.ECHOK | t.ECHOKE)) !== 0 && (lflag & t.ECHO) !== 0) this.put(NL);
    this.erasing = false;
  }

  /** VWERASE: white space, then the word before it; with ALTWERASE a word is a run of one class of characters. */
  private eraseWord(): void {
    const { inq, termios } = this.tty;
    const last = (): number => inq.byteAt(inq.count - 1);
    const isBlank = (c: number): boolean => c === 0x20 || c === TAB;
    while (inq.count > this.lineStart && isBlank(last())) this.eraseOne();
    if (inq.count === this.lineStart) return;
    const alternate = (termios.lflag & t.ALTWERASE) !== 0;
    let wordClass = -1;
    while (inq.count > this.lineStart && !isBlank(last())) {
      const charClass = isWordByte(last()) ? 1 : 0;
      if (alternate && wordClass >= 0 && charClass !== wordClass) return;
      wordClass = charClass;
      this.eraseOne();
    }
  }

  /** Shows the line being edited on a fresh line. */
  private reprint(): void {
    const { inq, termios } = this.tty;
    if ((termios.lflag & t.ECHO) === 0) return;
    this.erasing = false;
    this.echo(termios.cc[t.VREPRINT]!);
    this.put(NL);
    this.lineColumn = this.column;
    for (let i = this.lineStart; i < inq.count; i++) this.echo(inq.byteAt(i));
  }

  // Output

  /** Shows an input character. */
  private echo(c: number): void {
    const { lflag } = this.tty.termios;
    if ((lflag & t.ECHO) === 0) return;
    if ((lflag & t.ECHOCTL) !== 0 && ((c < 0x20 && c !== TAB && c !== NL) || c === DEL)) {
      this.put(0x5e);
      this.put(c === DEL ? 0x3f : c + 0x40);
      return;
    }
    this.put(c);
  }

  /** Puts one character through output processing, into whatever room the queue has. */
  private put(c: number): void {
    this.$one[0] = c;
    this.output(this.$one, 0, 1, this.tty.outq.size - 8);
  }

  /** Moves characters through output processing into tty.outq up to `limit` bytes there; returns how many it took. */
  output(buf: Uint8Array, off: number, len: number, limit: number): number {
    const { outq, termios } = this.tty;
    if (this.discarding) return len;
    const { oflag, iflag } = termios;
    const process = (oflag & t.OPOST) !== 0;
    let n = 0;
    for (; n < len && outq.count < limit; n++) {
      const c = buf[off + n]!;
      if (c >= 0x20) {
        if (c !== DEL && ((iflag & t.IUTF8) === 0 || (c & 0xc0) !== 0x80)) this.column++;
        outq.put(c);
        continue;
      }
      if (process) this.outputControl(c, oflag);
      else {
        this.advance(c);
        outq.put(c);
      }
    }
    return n;
  }

  private outputControl(c: number, oflag: number): void {
    const outq = this.tty.outq;
    if (c === NL && (oflag & t.ONLCR) !== 0) {
      outq.put(CR);
      this.column = 0;
    } else if (c === NL && (oflag & t.ONLRET) !== 0) this.column = 0;
    else if (c === CR && (oflag & t.OCRNL) !== 0) {
      outq.put(NL);
      return;
    } else if (c === CR && (oflag & t.ONOCR) !== 0 && this.column === 0) return;
    else if (c === TAB && (oflag & t.OXTABS) !== 0) {
      const spaces = 8 - (this.column & 7);
      for (let i = 0; i < spaces; i++) outq.put(0x20);
      this.column += spaces;
      return;
    } else if (c === 4 && (oflag & t.ONOEOT) !== 0) return;
    this.advance(c);
    outq.put(c);
  }

  private advance(c: number): void {
    if (c === CR) this.column = 0;
    else if (c === BS) this.column = Math.max(0, this.column - 1);
    else if (c === TAB) this.column = (this.column | 7) + 1;
  }
}

function isWordByte(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) || c === 0x5f || c >= 0x80;
}
