// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly sendfile (DragonFly 2.0 sys/kern/uipc_syscalls.c). */
import { EAGAIN, EINVAL, ENOTCONN, EPIPE } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { SIGPIPE } from "../../sys/signal.ts";
import { SOCK_STREAM } from "../../sys/socket.ts";
import { IoMiss, WOULDBLOCK } from "../../sys/wait.ts";
import { VREG } from "../../vfs/vnode.ts";
import { Uio } from "../../vm/uio.ts";
import { fdrop, fhold } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { lwpsignal } from "../../kern/sig.ts";
import { FOREVER, PCATCH, tsleep, waitForLoad } from "../../kern/sleep.ts";
import type { SocketFile } from "../../kern/socket-file.ts";
import { readableFile } from "../../kern/sys-file.ts";
import { socketOf } from "../../kern/sys-socket.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { getIovec, getWords, off64At, putBytes, put64 } from "./guest-struct.ts";

/** Bytes of the file that are read at a time. */
const PIECE = 65_536;

/** Sends all of `uio`, adding to `sent`; waits unless the socket does not. */
function* sendAll(lp: Lwp, so: SocketFile, uio: Uio, sent: { bytes: number }): Generator<void, void, void> {
  while (uio.resid > 0) {
    let n: number;
    try {
      n = so.protocol.send(lp, so, uio, null, null, false);
    } catch (e) {
      if (e instanceof IoMiss) {
        yield* waitForLoad(lp, e);
        continue;
      }
      if (e === EPIPE) lwpsignal(lp, SIGPIPE);
      throw e;
    }
    if (n !== WOULDBLOCK) sent.bytes += n;
    else if ((so.flags & O_NONBLOCK) !== 0) throw EAGAIN;
    else yield* tsleep(lp, so.protocol.sendChannel(lp, so, null), PCATCH, FOREVER);
  }
}

/** Sends `nbytes` of the file from `offset` on, all that is left for 0. */
function* sendRange(
  lp: Lwp, so: SocketFile, fp: VnodeFile, offset: number, nbytes: number, sent: { bytes: number },
): Generator<void, void, void> {
  const buf = new Uint8Array(PIECE);
  const end = nbytes === 0 ? Infinity : offset + nbytes;
  for (let at = offset; at < end; ) {
    let got: number;
    try {
      got = fp.pread(Uio.kernel(buf, 0, Math.min(PIECE, end - at)), at, lp);
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      yield* waitForLoad(lp, e);
      continue;
    }
    if (got === 0) return;
    yield* sendAll(lp, so, Uio.kernel(buf, 0, got), sent);
    at += got;
  }
}

/** struct sf_hdtr: headers, their number, trailers, their number. */
function pieces(lp: Lwp, hdtr: Int32Array, at: number): Uio | null {
  return hdtr[at] === 0 ? null : getIovec(lp, hdtr[at]!, hdtr[at + 1]!);
}

/**
 * sendfile(file, socket, offset, nbytes, hdtr, sbytes, flags): *sbytes is what went out, headers and trailers included,
 * also when the call fails on the way.
 */
export function* sysSendfile(lp: Lwp, a: Int32Array): KernelFrame {
  const fp = readableFile(lp, a[0]!);
  if (!(fp instanceof VnodeFile) || fp.vp.type !== VREG) throw EINVAL;
  const hdtr = a[5] === 0 ? new Int32Array(4) : getWords(lp, a[5]!, 4);
  const headers = pieces(lp, hdtr, 0);
  const trailers = pieces(lp, hdtr, 2);
  const so = socketOf(lp, a[1]!);
  if (so.socket.kind !== SOCK_STREAM) throw EINVAL;
  if (so.socket.peerAddress() === null) throw ENOTCONN;
  const offset = off64At(a[2]!, a[3]!);
  if (offset < 0) throw EINVAL;
  // Nothing that could start the call over again may happen once bytes have gone out.
  if (a[6] !== 0) Uio.user(lp.proc.vmspace!, a[6]!, 8).prefault(true);
  const sent = { bytes: 0 };
  fhold(fp);
  fhold(so);
  try {
    if (headers !== null) yield* sendAll(lp, so, headers, sent);
    yield* sendRange(lp, so, fp, offset, a[4]! >>> 0, sent);
    if (trailers !== null) yield* sendAll(lp, so, trailers, sent);
    return 0;
  } finally {
    fdrop(so, lp);
    fdrop(fp, lp);
    if (a[6] !== 0) {
      const b = new Uint8Array(8);
      put64(new DataView(b.buffer), 0, sent.bytes);
      putBytes(lp, a[6]!, b);
    }
  }
}
