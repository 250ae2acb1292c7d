// SPDX-License-Identifier: BSD-3-Clause
/**
 * When datagrams arrived, for sockets whose programs ask (Linux net/core/sock.c, sock_enable_timestamp; net/socket.c,
 * __sock_recv_timestamp). Times are µs since 1970; 0 stands for a time that was not taken.
 * @module
 */

/** `last` of a socket that has received nothing. */
export const NEVER = -1;

export class ArrivalTimes {
  /** The wall clock, once somebody has asked. */
  #clock: (() => number) | null = null;
  /** The option that has each time told along with its datagram, a number of the program's ABI; 0: none. */
  option = 0;
  /** Of the datagram that was taken last. */
  taken = 0;
  /** Of the last one that was taken without its time being told along; or NEVER. */
  last = NEVER;

  /** From now on times are taken. */
  start(clock: () => number): void {
    this.#clock = clock;
  }
  /** The time of what arrives now. */
  now(): number {
    return this.#clock === null ? 0 : this.#clock();
  }
  /** A datagram that arrived at `time` is taken. */
  take(time: number): void {
    this.taken = time;
    if (this.option !== 0) return;
    if (this.#clock !== null) this.last = time;
    else if (this.last === NEVER) this.last = 0;
  }
}
