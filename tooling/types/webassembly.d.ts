/**
 * The part of the WebAssembly JavaScript interface that the lower layers use. They compile without the DOM
 * and Node libraries, so that they cannot name either; WebAssembly exists on both.
 */
declare namespace WebAssembly {
  interface MemoryDescriptor { initial: number; maximum?: number; shared?: boolean }
  class Memory {
    constructor(descriptor: MemoryDescriptor);
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  interface TableDescriptor { element: "anyfunc"; initial: number; maximum?: number }
  class Table {
    constructor(descriptor: TableDescriptor);
    readonly length: number;
    get(index: number): ((...args: number[]) => number) | null;
    set(index: number, value: unknown): void;
    grow(delta: number): number;
  }
  class Global {
    constructor(descriptor: { value: "i32" | "i64" | "f32" | "f64"; mutable?: boolean }, value?: number | bigint);
    value: number | bigint;
  }
  class Module { constructor(bytes: Uint8Array | ArrayBuffer) }
  type ExportValue = ((...args: never[]) => unknown) | Memory | Table | Global;
  class Instance {
    constructor(module: Module, imports?: Record<string, Record<string, unknown>>);
    readonly exports: Record<string, ExportValue>;
  }
  function validate(bytes: Uint8Array | ArrayBuffer): boolean;
}
