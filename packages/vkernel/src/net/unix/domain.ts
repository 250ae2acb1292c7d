// SPDX-License-Identifier: BSD-3-Clause
/**
 * Names of the local domain.
 * @module
 */
import type { Socket } from "../socket.ts";

/** The names of one machine: bound sockets by the vnode of their path, and by abstract name. */
export class UnixDomain {
  private readonly byNode = new Map<object, Socket>();
  private readonly byName = new Map<string, Socket>();
  /** Number of the last name given to a socket that did not ask for one. */
  nextName = 0;

  bindNode(node: object, s: Socket): void {
    this.byNode.set(node, s);
  }
  unbindNode(node: object): void {
    this.byNode.delete(node);
  }
  atNode(node: object): Socket | null {
    return this.byNode.get(node) ?? null;
  }
  /** False when the name is taken. */
  bindName(name: string, s: Socket): boolean {
    if (this.byName.has(name)) return false;
    this.byName.set(name, s);
    return true;
  }
  unbindName(name: string): void {
    this.byName.delete(name);
  }
  atName(name: string): Socket | null {
    return this.byName.get(name) ?? null;
  }
}
