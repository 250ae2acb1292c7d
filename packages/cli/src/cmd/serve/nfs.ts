// SPDX-License-Identifier: BSD-3-Clause
/** `vkernel serve nfs`: a kernel without processes that serves a directory of an image to NFS clients. */
import { toByteString } from "@vkernel/hammer";
import { bootKernel, BootError, type ExportUser, type VirtualKernel } from "@vkernel/vkernel";
import { isIP } from "node:net";
import { ControlServer } from "../../control/server.ts";
import { SharedPlatform } from "../../control/shared-terminal.ts";
import { panicked, ramBytes } from "../../machine.ts";
import { bracketed, hostPort } from "../../network.ts";
import { handleKey } from "../../nfs-export.ts";
import { rootSource } from "../../root-source.ts";
import { CliError } from "../../ui/errors.ts";
import { guestUser } from "../../users.ts";
import { asOfName } from "./as-of.ts";
import { imagePath } from "./image-path.ts";

export interface ServeNfsOptions {
  readonly port: string;
  readonly bind: string;
  readonly asOf?: string;
  readonly readOnly?: boolean;
  readonly mapRoot?: string;
  readonly mapAll?: string;
  readonly verbose?: boolean;
  readonly name?: string;
}

/** The kernel has no processes, and needs the least that a machine can have. */
const MEMORY = "32m";
/** Bytes of the file system's cache: reading ahead of many clients is all that this process does. */
const CACHE_BYTES = 256 << 20;

/** How clients mount the directory, for people to copy (nfs(5): addresses of IPv6 stand in brackets, and have transports of their own). */
export function mountLines(host: string, port: number, path: string): string[] {
  const six = isIP(host) === 6 ? "6" : "";
  const where = `${bracketed(host)}:${path}`;
  const ports = `port=${port},mountport=${port}`;
  return [
    `Linux:  sudo mount -t nfs -o vers=3,proto=tcp${six},mountproto=tcp${six},${ports},nolock ${where} /mnt`,
    `macOS:  sudo mount -t nfs -o vers=3,${six === "" ? "tcp" : "proto=tcp6"},${ports},locallocks ${where} /private/nfs`,
    // libnfs takes all up to the first slash for the host
    `libnfs: nfs-ls 'nfs://${host}${path}?nfsport=${port}&mountport=${port}'`,
  ];
}

/** Serves until it is told to end; resolves to the exit status. */
export async function serveNfs(spec: string, options: ServeNfsOptions): Promise<number> {
  const { image, path } = imagePath(spec);
  const port = hostPort(options.port, "--port");
  if (isIP(options.bind) === 0) throw new CliError("--bind", `'${options.bind}' is not an IP address`, "127.0.0.1 or 0.0.0.0");
  const control = await ControlServer.listen(options.name ?? `nfs-${port}`, "serve nfs");
  const platform = new SharedPlatform();
  const print = (text: string): void => void platform.terminal.output.write(Buffer.from(text));
  const readOnly = options.readOnly === true || options.asOf !== undefined;
  const { NodeNetwork } = await import("@vkernel/hostkernel/node/network");
  const key = handleKey();
  const root = rootSource(platform, image, { readOnly, cacheBytes: CACHE_BYTES });
  let vk: VirtualKernel;
  try {
    const past = options.asOf === undefined ? "" : asOfName(image, options.asOf);
    const user = (who: string | undefined): ExportUser | undefined =>
      who === undefined ? undefined : guestUser(who, (file) => root.text(file));
    const mapRoot = user(options.mapRoot);
    const mapAll = user(options.mapAll);
    vk = await bootKernel({
      platform,
      ramBytes: ramBytes(MEMORY),
      root: root.mount,
      jit: { threshold: Infinity },
      log: (line) => {
        const text = Buffer.from(`vkernel: ${line}\n`);
        if (options.verbose === true) platform.terminal.error.write(text);
        else platform.terminal.log.append(text);
      },
      network: { host: new NodeNetwork(), outgoing: false, publish: [{ host: options.bind, port, guestPort: port }] },
      nfs: {
        port,
        key,
        exports: [
          {
            path: toByteString(`${past}${path}`),
            name: toByteString(path),
            readOnly,
            ...(mapRoot === undefined ? {} : { mapRoot }),
            ...(mapAll === undefined ? {} : { mapAll }),
          },
        ],
      },
    });
  } catch (error) {
    control.close();
    root.close();
    if (!(error instanceof BootError)) throw error;
    throw new CliError(spec, error.message, undefined, 1, error);
  }
  control.attach({ vk, terminal: platform.terminal, user: (who) => guestUser(who, (file) => root.text(file)) });
  const view = options.asOf === undefined ? "" : ` as of ${options.asOf}`;
  print(`Serving ${spec}${view} on ${options.bind} port ${port}${readOnly ? ", read-only" : ""}.\n`);
  const host = options.bind === "0.0.0.0" || options.bind === "::" ? "SERVER" : options.bind;
  for (const line of mountLines(host, port, path)) print(`  ${line}\n`);
  try {
    await vk.run();
    return 0;
  } catch (error) {
    return panicked(error);
  } finally {
    control.close();
  }
}
