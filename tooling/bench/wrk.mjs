// nginx serving the host's wrk: natively and under qemu-user on a port of the host, in the vkernel on a published one.
import { spawn } from "node:child_process";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { inRoot } from "../namespace.mjs";
import { runCommand } from "./run.mjs";

const CONNECTIONS = [1, 16, 128];
/** Bytes of each file. */
const FILES = { small: 6, large: 1 << 20 };
const PORT_INSIDE = 8080;
const LOAD_SECONDS = 4;
const READY_SECONDS = 90;

/** Serves /small and /large at `port` of 127.0.0.1 (or of any address) until it is ended. */
const serve = (address, port) => `cd /tmp && mkdir www && chmod 755 www
echo hello > www/small; head -c ${FILES.large} /dev/zero > www/large
echo 'daemon off; worker_processes 1; pid /tmp/pid; user root; error_log /tmp/err; events { worker_connections 512; } http { access_log off; sendfile on; server { listen ${address}:${port}; root /tmp/www; } }' > conf
exec nginx -c /tmp/conf`;

/** A port of the host that nobody listens at now. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Whether something at `port` answers a request. */
function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1", () => socket.write("GET /small HTTP/1.0\r\n\r\n"));
    socket.setTimeout(2000, () => socket.destroy());
    socket.on("data", (chunk) => {
      resolve(chunk.toString("latin1").startsWith("HTTP/1.1 200"));
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}

/** Ends a server and what it started. */
function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("close", resolve);
    process.kill(-child.pid, "SIGTERM");
    setTimeout(() => child.exitCode === null && child.signalCode === null && process.kill(-child.pid, "SIGKILL"), 8000).unref();
  });
}

/** Requests a second and what went wrong, from what wrk prints. */
function reading(text) {
  const rate = /^Requests\/sec:\s+([\d.]+)/m.exec(text);
  const wrong = [/Non-2xx or 3xx responses: \d+/.exec(text)?.[0], /Socket errors: .*/.exec(text)?.[0]].filter((line) => line !== undefined);
  return { rate: rate === null ? null : Number(rate[1]), wrong };
}

/** { rows: "wrk.FILE@CONNECTIONS" -> peer -> requests a second (best of `rounds`), notes, failed }. */
export async function measureWrk(inputs, rootfs, { rounds, vkernel, qemu, limit, say }) {
  const rows = {};
  const notes = [];
  let wrk;
  try {
    wrk = inputs.wrk();
  } catch (error) {
    return { rows, notes: [`wrk is left out: ${error.message}`], failed: false };
  }
  const shell = (port, address) => ["/bin/sh", "-c", serve(address, port)];
  const peers = [
    { name: "native", argv: (port) => inRoot(rootfs, "/tmp", shell(port, "127.0.0.1")) },
    ...(qemu === null ? [] : [{ name: "qemu-user", argv: (port) => inRoot(rootfs, "/tmp", shell(port, "127.0.0.1"), qemu) }]),
    {
      name: "vkernel",
      argv: (port) => [process.execPath, vkernel, "run", "--root", rootfs, "-m", "512m", "--publish", `127.0.0.1:${port}:${PORT_INSIDE}`, "--", ...shell(PORT_INSIDE, "0.0.0.0")],
    },
  ];
  let failed = false;
  for (let round = 1; round <= rounds; round++) {
    for (const peer of peers) {
      const port = await freePort();
      const [program, ...args] = peer.argv(port);
      const server = spawn(program, args, { detached: true, stdio: ["ignore", "ignore", "pipe"] });
      let trouble = "";
      server.stderr.on("data", (chunk) => (trouble += chunk));
      try {
        const until = Date.now() + READY_SECONDS * 1000;
        while (!(await answers(port))) {
          if (Date.now() > until || server.exitCode !== null) throw new Error(`nginx does not answer: ${trouble.trim().split("\n").at(-1)}`);
          await sleep(200);
        }
        for (const file of Object.keys(FILES)) {
          for (const connections of CONNECTIONS) {
            say(`round ${round}: wrk, ${file} file, ${connections} connections, ${peer.name}`);
            const argv = [wrk.program, "-t1", `-c${connections}`, `-d${LOAD_SECONDS}s`, "--timeout", "20s", `http://127.0.0.1:${port}/${file}`];
            const { stdout, ended } = await runCommand(argv, { seconds: limit, env: { LD_LIBRARY_PATH: wrk.libraries } });
            const { rate, wrong } = reading(stdout);
            const name = `wrk.${file}@${connections}`;
            for (const line of wrong) notes.push(`${peer.name} ${name}: ${line}`);
            if (ended !== null || rate === null) throw new Error(`${name}: wrk ${ended ?? "says no rate"}`);
            const row = (rows[name] ??= {});
            row[peer.name] = Math.max(row[peer.name] ?? 0, rate);
          }
        }
      } catch (error) {
        notes.push(`${peer.name} wrk: ${error.message}`);
        if (peer.name === "vkernel") failed = true;
      } finally {
        await end(server);
      }
    }
  }
  return { rows, notes, failed };
}
