// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel serve smb`: Debian's smbd in a guest, sharing a HAMMER directory and its past. */
import { userInfo } from "node:os";
import { isIP } from "node:net";
import { resolvePath, toByteString, type HammerMount } from "@vkernel/hammer";
import { volumePaths } from "@vkernel/hammer/node";
import { snapshotsFs, tmpFs } from "@vkernel/vkernel";
import { ControlServer } from "../../control/server.ts";
import { makeDirectories, readText, writeText } from "../image/files.ts";
import { withImage } from "../image/open.ts";
import { panicked, ramBytes } from "../../machine.ts";
import { bracketed, network } from "../../network.ts";
import { bootGuest } from "../../serve/guest.ts";
import { CliError } from "../../ui/errors.ts";
import { askPassword, passwordFrom } from "../../ui/password.ts";
import { imagePath } from "./image-path.ts";
import { EX_NO_PASSWORD, SMB_CONF, SMB_PROGRAM, smbConf, SNAPSHOT_DIR, type SmbShare } from "./smb-conf.ts";

export interface ServeSmbOptions {
  readonly port: string;
  readonly bind: string;
  readonly user?: string;
  readonly share?: string;
  readonly name?: string;
  readonly passwordFile?: string;
  readonly readOnly?: boolean;
  readonly snapshotEvery: string;
  readonly memory: string;
  readonly verbose?: boolean;
}

/** What is shared of an image unless something else is named. */
const DEFAULT_PATH = "/srv/share";
/** Who may connect when the host's user is root. */
const DEFAULT_USER = "vkernel";
const SMBD = "/usr/sbin/smbd";
/** Packages that an image for this needs. */
const PACKAGES = "samba,samba-vfs-modules";
const SMB_PORT = 445;
/** Sections of smb.conf(5) that are no shares of that name. */
const SPECIAL_SECTIONS: ReadonlySet<string> = new Set(["global", "homes", "printers"]);
/** How often it is looked whether smbd listens, ms. */
const LOOK_MS = 100;
/** Lines of smbd's that an error shows. */
const SHOWN_LINES = 8;
const RUN_BYTES = 64 << 20;

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of "90s", "15m", "1h", "1d"; null for "never". */
export function interval(text: string, option: string): number | null {
  if (text === "never") return null;
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const seconds = match === null ? 0 : Number(match[1]) * SECONDS[match[2]!]!;
  if (seconds === 0) throw new CliError(option, `'${text}' is no time`, "a number with s, m, h or d behind it, or 'never'");
  return seconds;
}

function shareOf(spec: string, options: ServeSmbOptions): SmbShare & { image: string } {
  const { image, path: given } = imagePath(spec);
  const path = given === "/" && !spec.endsWith(":/") ? DEFAULT_PATH : given.replace(/(?<=.)\/+$/, "");
  const host = userInfo();
  const user = options.user ?? (host.uid === 0 ? DEFAULT_USER : host.username);
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user)) throw new CliError("--user", `'${user}' is no user name`, "small letters, digits, '-' and '_'");
  if (user === "root") throw new CliError("--user", "root is not served", "name another user; it is made in the image");
  const name = options.share ?? (path.split("/").at(-1) || "share");
  if (!/^[A-Za-z0-9][\w.$ -]{0,79}$/.test(name)) throw new CliError("--share", `'${name}' is no name for a share`, "letters, digits, blanks, '-', '_', '.' and '$'");
  if (SPECIAL_SECTIONS.has(name.toLowerCase())) throw new CliError("--share", `'${name}' means something else to Samba`, "give another name");
  if (/[\u0000-\u001f"%]|\\$/.test(path)) throw new CliError(spec, "the path has characters that smb.conf cannot hold");
  return { image, path, user, name, readOnly: options.readOnly === true };
}

async function passwordOf(options: ServeSmbOptions, user: string): Promise<string> {
  if (options.passwordFile !== undefined) return passwordFrom(options.passwordFile);
  return process.stdin.isTTY ? askPassword(`Password for ${user} (empty: the one in the image): `) : "";
}

/** What was found and made in the image. */
interface Prepared {
  /** The shared directory was not there before. */
  readonly isNew: boolean;
  /** Samba can show snapshots as previous versions. */
  readonly versions: boolean;
}

/** Whether Samba's module is in the image, below the library directory of its architecture. */
function hasModule(m: HammerMount, module: string): boolean {
  const ip = resolvePath(m, `/usr/lib/i386-linux-gnu/samba/vfs/${module}.so`);
  if (ip !== null) m.rele(ip);
  return ip !== null;
}

/** Writes smbd's configuration and makes the shared directory. */
function prepare(m: HammerMount, image: string, share: SmbShare): Prepared {
  const smbd = resolvePath(m, SMBD);
  if (smbd === null) throw new CliError(image, `has no ${SMBD}`, `make one that has: vkernel image create IMAGE --debian ${PACKAGES}`);
  m.rele(smbd);
  const old = resolvePath(m, toByteString(share.path));
  const isDir = old?.type === "dir";
  if (old !== null) m.rele(old);
  if (old !== null && !isDir) throw new CliError(`${image}:${share.path}`, "is not a directory");
  if (old === null) m.rele(makeDirectories(m, toByteString(share.path)));
  const versions = hasModule(m, "shadow_copy2");
  const conf = Buffer.from(smbConf(share, versions), "utf8").toString("latin1");
  if (readText(m, SMB_CONF) !== conf) writeText(m, SMB_CONF, conf);
  return { isNew: old === null, versions };
}

/** How clients connect, for people to copy. An IPv6 address is a host of its own kind in a URL (RFC 3986) and in a Windows path. */
export function connectLines(host: string, port: number, share: SmbShare): string[] {
  const isSix = isIP(host) === 6;
  const unc = isSix ? `${host.replaceAll(":", "-")}.ipv6-literal.net` : host;
  // mount.cifs(8) looks the name in front of the share up; ip= is where it really goes
  const [name, ip] = isSix ? ["server", `ip=${host},`] : [host, ""];
  return [
    `smbclient: smbclient -p ${port} -U ${share.user} ${isSix ? `-I ${host} ` : ""}'//${name}/${share.name}'`,
    `Linux:     sudo mount -t cifs -o ${ip}port=${port},username=${share.user},vers=3.1.1 '//${name}/${share.name}' /mnt`,
    `macOS:     open 'smb://${share.user}@${bracketed(host)}:${port}/${encodeURIComponent(share.name)}'`,
    `Windows:   net use Z: "\\\\${unc}\\${share.name}" /user:${share.user}${port === 445 ? "" : ` /tcpport:${port}   (Windows 11 24H2 and later; earlier ones use port 445)`}`,
  ];
}

function announce(spec: string, share: SmbShare, options: ServeSmbOptions): void {
  process.stdout.write(`Serving ${spec} (${share.path}) as '${share.name}' on ${options.bind} port ${options.port}${share.readOnly ? ", read-only" : ""}, its past in ${SNAPSHOT_DIR}.\n`);
  const host = options.bind === "0.0.0.0" || options.bind === "::" ? "SERVER" : options.bind;
  for (const line of connectLines(host, Number(options.port), share)) process.stdout.write(`  ${line}\n`);
}

/** Serves until it is told to end; resolves to the exit status. */
export async function serveSmb(spec: string, options: ServeSmbOptions): Promise<number> {
  if (isIP(options.bind) === 0) throw new CliError("--bind", `'${options.bind}' is not an IP address`, "127.0.0.1 or 0.0.0.0");
  const every = interval(options.snapshotEvery, "--snapshot-every");
  const share = shareOf(spec, options);
  const net = await network(false, [`${bracketed(options.bind)}:${options.port}:${SMB_PORT}`]);
  const password = await passwordOf(options, share.user);
  const { isNew, versions } = await withImage(share.image, { write: true }, (m) => prepare(m, share.image, share));
  if (!versions) process.stderr.write(`vkernel: ${share.image}: no previous versions for Windows: the package samba-vfs-modules is not in it\n`);
  const tail: string[] = [];
  const hear = (line: string): void => {
    if (options.verbose === true) process.stderr.write(`smbd: ${line}\n`);
    tail.push(line);
    if (tail.length > SHOWN_LINES) tail.shift();
  };
  const path = toByteString(share.path);
  const control = await ControlServer.listen(options.name ?? `smb-${options.port}`, "serve smb");
  const guest = await bootGuest({
    volumes: volumePaths(share.image),
    ramBytes: ramBytes(options.memory),
    argv: ["/bin/sh", "-c", SMB_PROGRAM],
    env: { SHARE_USER: share.user, SHARE_PATH: share.path, SHARE_NEW: isNew ? "yes" : "no", DEBUG_LEVEL: options.verbose === true ? "1" : "0", LC_ALL: "C.UTF-8" },
    input: `${password}\n`,
    output: hear,
    error: hear,
    warn: (line) => process.stderr.write(`vkernel: ${line}\n`),
    network: net!,
    hostSignals: true,
    mounts: [
      { on: "/run", create: true, mount: tmpFs(RUN_BYTES, 0o755) },
      { on: `${path === "/" ? "" : path}/${SNAPSHOT_DIR}`, create: true, mount: snapshotsFs(path, every === null ? {} : { every, note: "serve smb" }) },
    ],
  }).catch((error: unknown) => {
    control.close();
    throw error;
  });
  control.attach(guest);
  let isReady = false;
  const look = setInterval(() => {
    if (!guest.vk.listens(SMB_PORT)) return;
    clearInterval(look);
    isReady = true;
    announce(spec, share, options);
  }, LOOK_MS);
  try {
    const status = await guest.run();
    if (status === EX_NO_PASSWORD) throw new CliError(share.user, "has no password in the image yet", "--password-file FILE, or run it on a terminal");
    if (!isReady && status !== 0) throw new CliError("smbd", `did not start (status ${status})\n  ${tail.join("\n  ")}`, "--verbose shows more");
    return isReady && (status === 128 + 15 || status === 0) ? 0 : 1;
  } catch (error) {
    return panicked(error);
  } finally {
    clearInterval(look);
    control.close();
  }
}
