// SPDX-License-Identifier: BSD-3-Clause
/**
 * Netlink sockets: datagrams to the kernel and its answers (Linux net/netlink/af_netlink.c). Messages between processes,
 * and multicast groups, do not exist.
 *
 * Invariant
 *   NL1  The answers to a datagram are in the receive queue when the send returns: at most `limit` bytes, else ENOBUFS.
 * @module
 */
import { CAP_NET_ADMIN, capable } from "../../sys/capability.ts";
import { ENOBUFS, Errno } from "../../sys/errno.ts";
import { AF_NETLINK, SOCK_DGRAM } from "../../sys/socket.ts";
import type { InetDomain } from "../inet/domain.ts";
import { KERNEL_CRED, type ByteSource, type NetlinkName, type PeerCred, Socket } from "../socket.ts";
import {
  MessageBuilder, NLM_F_ACK, NLM_F_DUMP, NLM_F_MULTI, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_MIN_TYPE, parseMessages,
  type Request,
} from "./message.ts";
import { answerRoute } from "./route.ts";

/** Longest datagram of answers: what every program's buffer takes. */
const DATAGRAM = 3584;

export class NetlinkSocket extends Socket {
  override name: NetlinkName = { port: 0, groups: 0 };
  private readonly domain: InetDomain;
  /** The errno numbers of the program's system. */
  private readonly errnoOf: (e: Errno) => number;

  constructor(cred: PeerCred, domain: InetDomain, errnoOf: (e: Errno) => number) {
    super(AF_NETLINK, SOCK_DGRAM, cred);
    this.domain = domain;
    this.errnoOf = errnoOf;
  }

  /** Takes a datagram for the kernel and queues the answers. Throws ENOBUFS. */
  ask(from: ByteSource, cred: PeerCred): number {
    const data = new Uint8Array(from.resid);
    from.get(data, 0, data.length);
    for (const req of parseMessages(data)) {
      if ((req.flags & NLM_F_REQUEST) !== 0 && req.type >= NLMSG_MIN_TYPE) this.answer(req, cred);
      else if ((req.flags & NLM_F_ACK) !== 0) this.post(this.errorMessage(req, 0));
    }
    return data.length;
  }

  private answer(req: Request, cred: PeerCred): void {
    const { port } = this.name;
    const result = answerRoute(this.domain, req, port, capable(cred, CAP_NET_ADMIN));
    if (result instanceof Errno) {
      this.post(this.errorMessage(req, -this.errnoOf(result)));
      return;
    }
    let parts: Uint8Array[] = [];
    let bytes = 0;
    for (const message of result) {
      if (bytes + message.length > DATAGRAM) {
        this.post(...parts);
        parts = [];
        bytes = 0;
      }
      parts.push(message);
      bytes += message.length;
    }
    if (parts.length > 0) this.post(...parts);
    if ((req.flags & NLM_F_DUMP) !== 0) this.post(new MessageBuilder().u32(0).finish(NLMSG_DONE, NLM_F_MULTI, req.seq, port));
    else if ((req.flags & NLM_F_ACK) !== 0) this.post(this.errorMessage(req, 0));
  }

  /** struct nlmsgerr: an errno, 0 for an acknowledgement, and the header that it is about. */
  private errorMessage(req: Request, error: number): Uint8Array {
    return new MessageBuilder().u32(error).u8(...req.header).finish(NLMSG_ERROR, 0, req.seq, this.name.port);
  }

  private post(...parts: Uint8Array[]): void {
    const length = parts.reduce((n, part) => n + part.length, 0);
    if (this.queued + length > this.limit) throw ENOBUFS;
    const data = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      data.set(part, at);
      at += part.length;
    }
    this.queue.push({ data, off: 0, from: { port: 0, groups: 0 }, rights: null, cred: KERNEL_CRED, fields: null, time: 0 });
    this.queued += length;
    this.readChan.wakeup();
  }
}
