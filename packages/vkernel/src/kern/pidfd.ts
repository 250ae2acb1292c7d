// SPDX-License-Identifier: BSD-3-Clause
/** Descriptors that stand for processes (Linux kernel/fork.c, pidfd_poll): readable once the process has ended. */
import { EINVAL } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel } from "../sys/wait.ts";
import { type Vattr, VREG } from "../vfs/vnode.ts";
import { File, pseudoVattr } from "./file.ts";
import { type Proc, SZOMB } from "./proc.ts";

export class PidFile extends File {
  readonly type = "pidfd";
  /** The process, also when it has been waited for. */
  readonly target: Proc;

  constructor(flags: number, target: Proc) {
    super(flags | FREAD | FWRITE);
    this.target = target;
    target.endChan ??= new WaitChannel("pidfd");
  }
  override read(): number {
    throw EINVAL;
  }
  override write(): number {
    throw EINVAL;
  }
  override poll(events: number): number {
    return this.target.stat === SZOMB ? events & (POLLIN | POLLRDNORM) : 0;
  }
  override channel(): WaitChannel | null {
    return this.target.endChan;
  }
  override stat(): Vattr {
    return pseudoVattr(VREG, 0o600, 0, 0);
  }
  override close(): void {}
}
