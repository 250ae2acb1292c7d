// SPDX-License-Identifier: BSD-3-Clause
/**
 * The one FPU, lent to threads lazily: a thread that does not own its contents runs with PGEX_FPFAULT and gets it on its
 * first FP instruction (T_DNA).
 *
 * Invariants
 *   FP1  `owner`'s FP state is in the FPU and its `fp` image is stale; every other thread's is in its image, or is
 *        the initial state while `fpValid` is false.
 *   FP2  No thread ever sees another's contents.
 *
 * Counterpart: DragonFly 2.0 sys/platform/vkernel/i386/npx.c (gd_npxthread).
 * @module
 */
import { FX_BYTES, INITIAL_MXCSR, type HostKernel } from "@vkernel/hostkernel";
import type { Lwp } from "../kern/proc.ts";

/** Offsets in an FXSAVE image, SDM vol. 1 §10.5.1. */
const FX_FCW = 0;
const FX_MXCSR = 24;

function initialImage(controlWord: number): Uint8Array {
  const image = new Uint8Array(FX_BYTES);
  const view = new DataView(image.buffer);
  view.setUint16(FX_FCW, controlWord, true);
  view.setUint32(FX_MXCSR, INITIAL_MXCSR, true);
  return image;
}

export class Fpu {
  readonly #host: HostKernel;
  /** Images of a fresh FPU by control word. */
  readonly #fresh = new Map<number, Uint8Array>();
  owner: Lwp | null = null;

  constructor(host: HostKernel) {
    this.#host = host;
  }

  /** The state that a program of the thread's ABI starts with. */
  #initial(lp: Lwp): Uint8Array {
    const control = lp.proc.abi.npxControl;
    let image = this.#fresh.get(control);
    if (image === undefined) this.#fresh.set(control, (image = initialImage(control)));
    return image;
  }

  /** T_DNA: gives the FPU to `lp`. */
  acquire(lp: Lwp): void {
    if (this.owner === lp) return;
    if (this.owner !== null) this.save(this.owner);
    const fresh = this.#initial(lp);
    this.#host.fpRestore(lp.fpValid ? lp.fp : fresh);
    this.owner = lp;
  }

  /** Whether the thread's state may differ from the initial one. */
  used(lp: Lwp): boolean {
    return this.owner === lp || lp.fpValid;
  }

  /** Brings lp.fp up to date; the thread keeps the FPU if it has it. */
  save(lp: Lwp): void {
    if (this.owner === lp) this.#host.fpSave(lp.fp);
    else if (!lp.fpValid) lp.fp.set(this.#initial(lp));
    lp.fpValid = true;
  }

  /** The thread's state is what lp.fp says (sigreturn). */
  restore(lp: Lwp): void {
    lp.fpValid = true;
    if (this.owner === lp) this.#host.fpRestore(lp.fp);
  }

  /** The thread starts with the initial state (exec). */
  reset(lp: Lwp): void {
    lp.fpValid = false;
    this.forget(lp);
  }

  /** The child starts with a copy of the parent's state. */
  fork(parent: Lwp, child: Lwp): void {
    if (this.owner === parent) this.save(parent);
    child.fpValid = parent.fpValid;
    if (parent.fpValid) child.fp.set(parent.fp);
  }

  forget(lp: Lwp): void {
    if (this.owner === lp) this.owner = null;
  }
}
