// SPDX-License-Identifier: BSD-3-Clause
/**
 * What runs in the guest while a Debian is made: install scripts, then dpkg --configure -a, with nobody to ask and services not
 * started (invoke-rc.d(8), policy-rc.d; debconf(7)).
 * @module
 */
import type { HammerMount } from "@vkernel/hammer";
import { bootGuest } from "../../../serve/guest.ts";
import { CliError } from "../../../ui/errors.ts";
import { removePath, writeText } from "../files.ts";

const POLICY = "/usr/sbin/policy-rc.d";
/** invoke-rc.d: the action is forbidden by policy. */
const POLICY_TEXT = "#!/bin/sh\nexit 101\n";
/** Lines of the scripts' output that an error shows. */
const SHOWN_LINES = 12;

/** An install script: the package it belongs to and where it stands in the guest. */
export interface InstallScript {
  readonly name: string;
  readonly path: string;
}

const ENVIRONMENT: Readonly<Record<string, string>> = {
  DEBIAN_FRONTEND: "noninteractive", DEBCONF_NONINTERACTIVE_SEEN: "true", DEBCONF_NOWARNINGS: "yes", LC_ALL: "C.UTF-8", DPKG_ADMINDIR: "/var/lib/dpkg",
};

/** The first program: install scripts as dpkg calls them, then dpkg itself, whose progress goes to standard output. */
function program(scripts: readonly InstallScript[], configure: boolean): string {
  const calls = scripts.map(({ name, path }) => `install_script '${name}' '${path}'`);
  return [
    "install_script() {",
    '  echo "processing: install: $1"',
    '  DPKG_MAINTSCRIPT_PACKAGE=$1 DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_ARCH=i386 DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 \\',
    "    DPKG_RUNNING_VERSION=$version DPKG_ROOT= \"$2\" install >&2 && return",
    '  echo "$1: its install script ended with status $?" >&2',
    "  exit 1",
    "}",
    "version=$(dpkg-query --version | sed -n '1s/.*version \\([^ ]*\\).*/\\1/p')",
    ...calls,
    ...(configure ? ["dpkg --status-fd 3 --configure -a 3>&1 1>&2"] : []),
  ].join("\n");
}

/** Forbids services to be started while packages are configured, or no longer. */
export function forbidServices(m: HammerMount, forbid: boolean): void {
  if (forbid) writeText(m, POLICY, POLICY_TEXT, 0o755);
  else removePath(m, POLICY);
}

export interface ConfigureOptions {
  readonly ramBytes: number;
  readonly scripts: readonly InstallScript[];
  /** Whether packages are configured after the scripts. */
  readonly configure: boolean;
  /** Told of each package as its turn comes. */
  readonly progress: (name: string) => void;
  /** Receives what scripts say. */
  readonly say: (line: string) => void;
}

/** Boots the image and does it. Throws CliError with the end of what was said when something fails. */
export async function runInGuest(image: string, options: ConfigureOptions): Promise<void> {
  const tail: string[] = [];
  const keep = (line: string): void => {
    options.say(line);
    tail.push(line);
    if (tail.length > SHOWN_LINES) tail.shift();
  };
  const guest = await bootGuest({
    volumes: [image],
    ramBytes: options.ramBytes,
    argv: ["/bin/sh", "-c", program(options.scripts, options.configure)],
    env: ENVIRONMENT,
    output: (line) => {
      const found = /^processing: (?:install|configure|trigproc): ([^: ]+)/.exec(line);
      if (found !== null) options.progress(found[1]!);
    },
    error: keep,
    warn: keep,
  });
  const status = await guest.run();
  if (status === 0) return;
  throw new CliError("--debian", `configuring packages in the guest failed (status ${status})\n  ${tail.join("\n  ")}\nvkernel: what was done is kept`,
    "the same command goes on from there; --verbose shows everything");
}
