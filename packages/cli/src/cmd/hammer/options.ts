// SPDX-License-Identifier: BSD-3-Clause
/**
 * The options of hammer(8) that stand before the command, all of them; which commands look at which is the commands'
 * matter, as in the original. Source: DragonFly sbin/hammer/hammer.c, hammer.8.
 * @module
 */
import type { Command } from "commander";
import { CliError } from "../../ui/errors.ts";
import { parseSize } from "../../ui/size.ts";

/** Options given before the command. */
export interface GlobalOptions {
  "2"?: boolean;
  A?: boolean;
  B?: boolean;
  b?: string;
  C?: string;
  c?: string;
  d?: number;
  e?: string;
  F?: boolean;
  f?: string;
  i?: string;
  m?: string;
  p?: string;
  q?: number;
  R?: string;
  r?: boolean;
  S?: string;
  T?: string;
  t?: string;
  v?: number;
  X?: boolean;
  y?: boolean;
}

const count = (_: string, before = 0): number => before + 1;

/** Adds the options to the command. */
export function globalOptions(hammer: Command): Command {
  return hammer
    .option("-f <blkdevs>", "volumes of the file system, joined by colons")
    .option("-2", "mirror-read, mirror-write: talk to the other end, which tells where to begin")
    .option("-A", "reblock, rebalance: all pseudo file systems")
    .option("-B", "mirroring: no splitting of large transfers")
    .option("-b <bandwidth>", "mirroring: bytes a second at most (k, m, g)")
    .option("-C <cachesize[:readahead]>", "accepted, no effect: caches have one bound")
    .option("-c <cyclefile>", "where an operation ended by -t notes how far it came, and goes on from")
    .option("-d", "debugging; repeatable", count)
    .option("-e <scoreboardfile>", "mirroring: file for the state and progress, in fixed columns")
    .option("-F", "force: cleanup, whether due or not; recover, data that fails its CRC, too")
    .option("-i <delay>", "mirror-stream: least seconds between two passes; default 5")
    .option("-m <memlimit>", "dedup: memory for its tables (k, m, g, t); default 1g, at least 1m")
    .option("-p <ssh-port>", "mirroring: port for ssh")
    .option("-q", "less; repeatable, takes a -v back", count)
    .option("-R <commands>", "refuse all commands but these, joined by commas (set by ssh-remote)")
    .option("-r", "accepted, no effect: no command recurses")
    .option("-S <splitsize>", "mirroring: bytes of a piece of a large transfer (k, m, g); default 4g")
    .option("-T <path>", "mirroring: refuse file systems that do not lie below (set by ssh-remote)")
    .option("-t <seconds>", "end prune, reblock, rebalance, dedup, mirror-read after this time")
    .option("-v", "more; repeatable, takes a -q back", count)
    .option("-X", "mirroring: let ssh compress")
    .option("-y", "answer yes to all questions");
}

/** -q and -v cancel each other: below 0 quiet, above 0 verbose. */
export function verbosity(g: GlobalOptions): number { return (g.v ?? 0) - (g.q ?? 0); }

/** Seconds of an option, or the default. */
export function secondsOption(text: string | undefined, name: string, fallback: number): number {
  if (text === undefined) return fallback;
  if (!/^\d+$/.test(text)) throw new CliError(name, `'${text}' is no number of seconds`);
  return Number(text);
}

/** Bytes of an option, or the default. */
export function sizeOption(text: string | undefined, name: string, fallback: number): number {
  return text === undefined ? fallback : parseSize(text, name);
}
