// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the socket calls ask of a protocol family (DragonFly 2.0 sys/sys/protosw.h, struct pr_usrreqs).
 * @module
 */
import type { Rights, Socket, SocketName } from "../net/socket.ts";
import type { WaitChannel } from "../sys/wait.ts";
import type { Uio } from "../vm/uio.ts";
import type { Lwp } from "./proc.ts";
import type { SocketFile } from "./socket-file.ts";

export interface Protocol {
  /** A new socket. Throws ESOCKTNOSUPPORT, EPROTONOSUPPORT. */
  create(lp: Lwp, family: number, type: number, protocol: number): Socket;
  bind(lp: Lwp, fp: SocketFile, name: SocketName): void;
  listen(lp: Lwp, fp: SocketFile, backlog: number): void;
  /** 0 when it is done, or WOULDBLOCK. */
  connect(lp: Lwp, fp: SocketFile, name: SocketName): number;
  /** What connect() answers on a descriptor that must not wait, when it would have to. */
  readonly pending: unknown;
  /** Whether a connection takes a handshake, so that it is never there when connect() of a descriptor that must not wait returns. */
  shakesHands(fp: SocketFile): boolean;
  /** After WOULDBLOCK of connect(): whether it is under way by itself, so that waiting is enough. */
  isUnderWay(fp: SocketFile): boolean;
  connectChannel(lp: Lwp, fp: SocketFile, name: SocketName): WaitChannel;
  /** connect(2) to nobody. */
  disconnect(fp: SocketFile): void;
  /** Whether a socket can send and receive urgent bytes (MSG_OOB). */
  hasUrgent(fp: SocketFile): boolean;
  /** The count, or WOULDBLOCK. `to` is null for the peer; `urgent`: the last byte is. */
  send(lp: Lwp, fp: SocketFile, uio: Uio, to: SocketName | null, rights: Rights | null, urgent: boolean): number;
  sendChannel(lp: Lwp, fp: SocketFile, to: SocketName | null): WaitChannel;
  /** The last descriptor goes. */
  release(fp: SocketFile): void;
}
