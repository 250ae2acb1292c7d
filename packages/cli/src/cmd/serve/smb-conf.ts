// SPDX-License-Identifier: BSD-3-Clause
/**
 * Samba's configuration for one share of a HAMMER directory, and what runs in the guest before smbd does.
 * Sources: smb.conf(5), vfs_shadow_copy2(8), smbpasswd(8) of Samba 4.17.
 * @module
 */
import { SNAPSHOT_NAME_FORMAT } from "@vkernel/vkernel";

export interface SmbShare {
  /** Name that clients use. */
  readonly name: string;
  /** Directory in the guest. */
  readonly path: string;
  readonly user: string;
  readonly readOnly: boolean;
}

/** Directory in a share that holds its snapshots. */
export const SNAPSHOT_DIR = ".snapshots";
/** Smbd's configuration in the guest. */
export const SMB_CONF = "/etc/samba/vkernel.conf";
/** Connections at once; each is a process of the guest. */
const MAX_PROCESSES = 200;

/**
 * smb.conf; `versions`: snapshots are previous versions, too. DOS attributes (hidden, system, read-only, archive, the time of creation) are
 * kept in an extended attribute. Named streams are not offered: of those that programs write, resource forks above all, many are larger than an
 * attribute on HAMMER can be.
 */
export function smbConf(share: SmbShare, versions: boolean): string {
  const global = [
    ["server role", "standalone server"], ["workgroup", "WORKGROUP"], ["server string", "vkernel"], ["disable netbios", "yes"], ["smb ports", "445"],
    ["server min protocol", "SMB2_02"], ["map to guest", "never"], ["passdb backend", "tdbsam"], ["max smbd processes", String(MAX_PROCESSES)],
    ["load printers", "no"], ["printing", "bsd"], ["printcap name", "/dev/null"], ["disable spoolss", "yes"], ["dns proxy", "no"],
    ["ea support", "no"], ["store dos attributes", "yes"],
    // Not through threads of smbd's: on one processor handing each read and write over costs more than waiting for it here
    ["aio read size", "0"], ["aio write size", "0"],
    // Windows asks for the right to execute with every full access; files without the x bits of their modes would be refused
    ["acl allow execute always", "yes"],
  ];
  const directory = [
    ["path", share.path], ["valid users", share.user], ["read only", share.readOnly ? "yes" : "no"],
    ...(versions
      ? [["vfs objects", "shadow_copy2"], ["shadow:snapdir", SNAPSHOT_DIR], ["shadow:mountpoint", share.path], ["shadow:format", SNAPSHOT_NAME_FORMAT], ["shadow:sort", "desc"], ["shadow:localtime", "no"]]
      : []),
  ];
  const section = (name: string, settings: string[][]): string => `[${name}]\n${settings.map(([key, value]) => `  ${key} = ${value}\n`).join("")}`;
  return `# Written by vkernel serve smb at each start.\n${section("global", global)}\n${section(share.name, directory)}`;
}

/** Exit status of the first program when the user has no password yet. */
export const EX_NO_PASSWORD = 75;

/**
 * The first program: makes the user, sets the password that standard input holds, if it holds one, and becomes smbd. Variables: SHARE_USER,
 * SHARE_PATH, SHARE_NEW ("yes": the directory was just made), DEBUG_LEVEL.
 */
export const SMB_PROGRAM = [
  'if ! getent passwd "$SHARE_USER" >/dev/null; then',
  '  useradd -M -d "$SHARE_PATH" -s /usr/sbin/nologin "$SHARE_USER" || exit 1',
  "fi",
  'if [ "$SHARE_NEW" = yes ]; then chown "$SHARE_USER:" "$SHARE_PATH" || exit 1; fi',
  "mkdir -p /run/samba || exit 1",
  "IFS= read -r password",
  'if [ -n "$password" ]; then',
  `  printf '%s\\n%s\\n' "$password" "$password" | smbpasswd -c ${SMB_CONF} -s -a "$SHARE_USER" >/dev/null || exit 1`,
  `elif ! pdbedit -s ${SMB_CONF} -L "$SHARE_USER" >/dev/null 2>&1; then`,
  `  exit ${EX_NO_PASSWORD}`,
  "fi",
  "unset password",
  `exec smbd -s ${SMB_CONF} -F --no-process-group --debug-stdout -d "$DEBUG_LEVEL" </dev/null`,
].join("\n");
