// SPDX-License-Identifier: BSD-3-Clause
/** poll(2) events; the low bits are the same for DragonFly and Linux (DragonFly 2.0 sys/sys/poll.h). */

export const POLLIN = 0x0001;
export const POLLPRI = 0x0002;
export const POLLOUT = 0x0004;
export const POLLERR = 0x0008;
export const POLLHUP = 0x0010;
export const POLLNVAL = 0x0020;
export const POLLRDNORM = 0x0040;
export const POLLRDBAND = 0x0080;
export const POLLWRBAND = 0x0100;
/** DragonFly gives POLLWRNORM the value of POLLOUT; Linux's 0x100 and 0x200 are mapped by its ABI. */
export const POLLWRNORM = POLLOUT;
/** The other side will send nothing more (Linux's number; DragonFly has no such event). */
export const POLLRDHUP = 0x2000;
/** Always reported, asked for or not. */
export const POLLALWAYS = POLLERR | POLLHUP | POLLNVAL;
