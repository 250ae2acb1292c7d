// SPDX-License-Identifier: BSD-3-Clause
/**
 * How procedures are written: a plain function of the call, its arguments and the failure to come, which it fills in as far
 * as it gets; or, where something has to be done after the first change, a generator whose steps are repeated one by one.
 *
 * Invariant
 *   NP1  A plain procedure changes one thing, and nothing that could miss follows; so it may be run again as a whole.
 * @module
 */
import type { NfsCall } from "./call.ts";
import type { Nfs3Args, Nfs3Fail, Nfs3Name, Nfs3Ok } from "./nfs3-proto.ts";

export type Plain<N extends Nfs3Name> = (c: NfsCall, args: Nfs3Args<N>, failure: Nfs3Fail<N>) => Nfs3Ok<N>;
export type Stepwise<N extends Nfs3Name> = (c: NfsCall, args: Nfs3Args<N>, failure: Nfs3Fail<N>) => Generator<void, Nfs3Ok<N>, void>;
