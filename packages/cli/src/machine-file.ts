// SPDX-License-Identifier: BSD-3-Clause
/**
 * Machine files: a JSON object that says what `vkernel boot` starts. vkernel.schema.json of this package is the definition, and
 * what a file is checked against.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { CliError } from "./ui/errors.ts";
import { xdgFolder } from "./xdg.ts";

export interface MachineFile {
  readonly version: 1;
  readonly name?: string;
  readonly memory?: string;
  readonly cpu?: string;
  readonly disks: readonly { readonly source: string; readonly on?: string; readonly mode?: "rw" | "ro" | "discard" }[];
  readonly shares?: readonly { readonly host: string; readonly guest: string; readonly readOnly?: boolean }[];
  readonly network?: {
    readonly outgoing?: boolean;
    readonly publish?: readonly { readonly address?: string; readonly host: number; readonly guest: number }[];
  };
  readonly exports?: {
    readonly address?: string;
    readonly port?: number;
    readonly paths: readonly { readonly path: string; readonly readOnly?: boolean }[];
  };
  readonly environment?: Readonly<Record<string, string>>;
  readonly start?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
}

const SCHEMA = new URL("../vkernel.schema.json", import.meta.url);

/** "disks[0].mode" from "/disks/0/mode". */
function fieldName(pointer: string): string {
  const field = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join("");
  return field === "" ? "" : field.replace(/^\./, "");
}

interface SchemaError {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Record<string, unknown>;
  readonly message?: string;
}

/** What is wrong, for people: the field and why. */
function explain({ instancePath, keyword, params, message }: SchemaError): { what: string; why: string } {
  const field = fieldName(instancePath);
  const inside = (name: unknown): string => (field === "" ? String(name) : `${field}.${String(name)}`);
  if (keyword === "additionalProperties") return { what: inside(params["additionalProperty"]), why: "there is no such field" };
  if (keyword === "required") return { what: inside(params["missingProperty"]), why: "the field is missing" };
  if (keyword === "enum") return { what: field, why: `it must be one of ${(params["allowedValues"] as string[]).join(", ")}` };
  if (keyword === "const") return { what: field, why: `it must be ${JSON.stringify(params["allowedValue"])}` };
  return { what: field === "" ? "the whole file" : field, why: message ?? keyword };
}

/** Reads and checks a machine file. Throws CliError that names the file and the field. */
export async function readMachineFile(file: string): Promise<MachineFile> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) throw new CliError(file, error.message, "a machine file is a JSON object");
    // Node does not name what it was that it could open and not read.
    if ((error as NodeJS.ErrnoException).code === "EISDIR") throw new CliError(file, "is a directory, not a machine file");
    throw error;
  }
  // Only this command needs the validator.
  const { Ajv } = await import("ajv");
  const check = new Ajv({ strict: true }).compile(JSON.parse(readFileSync(SCHEMA, "utf8")) as object);
  if (!check(value)) {
    const { what, why } = explain((check.errors as SchemaError[])[0]!);
    throw new CliError(`${file}: ${what}`, why, "vkernel boot --help tells where the schema is");
  }
  const machine = value as MachineFile;
  const root = machine.disks[0]!.on ?? "/";
  if (root !== "/") throw new CliError(`${file}: disks[0].on`, "the first disk is the root, '/'");
  machine.disks.forEach((disk, i) => {
    if (i > 0 && (disk.on ?? "/") === "/") throw new CliError(`${file}: disks[${i}].on`, "the field is missing", "a mount point other than '/'");
  });
  return machine;
}

/** The file of a machine by its name: NAME.json in the user's configuration. */
export function machineFileOf(name: string): string {
  const file = path.join(xdgFolder("XDG_CONFIG_HOME"), "vkernel", `${name}.json`);
  if (!existsSync(file)) throw new CliError(name, `there is no ${file}`, "-f FILE boots any machine file");
  return file;
}

export const schemaPath = (): string => SCHEMA.pathname;
