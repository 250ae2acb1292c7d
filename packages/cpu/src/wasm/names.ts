// SPDX-License-Identifier: BSD-3-Clause
/**
 * Names of WebAssembly instructions by opcode, numbered as in opcodes.ts.
 * Source: WebAssembly core specification, index of instructions.
 * @module
 */
const INTEGER_COMPARISONS = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
const FLOAT_COMPARISONS = "eq ne lt gt le ge";
const INTEGER_ARITHMETIC = "clz ctz popcnt add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr";
const FLOAT_ARITHMETIC = "abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign";
const SMALL_ARITHMETIC = "shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u";
const FLOAT_VECTORS = "abs neg - sqrt add sub mul div min max pmin pmax";

/** First opcode, prefix of the names, names in order; `-` is an opcode that does not exist. */
const RUNS: readonly (readonly [number, string, string])[] = [
  [0x00, "", "unreachable nop block loop if else"],
  [0x0b, "", "end br br_if br_table return call call_indirect"],
  [0x1a, "", "drop select"],
  [0x20, "local.", "get set tee"],
  [0x23, "global.", "get set"],
  [0x28, "", "i32.load i64.load f32.load f64.load"],
  [0x2c, "i32.", "load8_s load8_u load16_s load16_u"],
  [0x30, "i64.", "load8_s load8_u load16_s load16_u load32_s load32_u"],
  [0x36, "", "i32.store i64.store f32.store f64.store i32.store8 i32.store16 i64.store8 i64.store16 i64.store32"],
  [0x3f, "memory.", "size grow"],
  [0x41, "", "i32.const i64.const f32.const f64.const"],
  [0x45, "i32.", `eqz ${INTEGER_COMPARISONS}`],
  [0x50, "i64.", `eqz ${INTEGER_COMPARISONS}`],
  [0x5b, "f32.", FLOAT_COMPARISONS],
  [0x61, "f64.", FLOAT_COMPARISONS],
  [0x67, "i32.", INTEGER_ARITHMETIC],
  [0x79, "i64.", INTEGER_ARITHMETIC],
  [0x8b, "f32.", FLOAT_ARITHMETIC],
  [0x99, "f64.", FLOAT_ARITHMETIC],
  [0xa7, "i32.", "wrap_i64 trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u"],
  [0xac, "i64.", "extend_i32_s extend_i32_u trunc_f32_s trunc_f32_u trunc_f64_s trunc_f64_u"],
  [0xb2, "f32.", "convert_i32_s convert_i32_u convert_i64_s convert_i64_u demote_f64"],
  [0xb7, "f64.", "convert_i32_s convert_i32_u convert_i64_s convert_i64_u promote_f32"],
  [0xbc, "", "i32.reinterpret_f32 i64.reinterpret_f64 f32.reinterpret_i32 f64.reinterpret_i64"],
  [0xc0, "", "i32.extend8_s i32.extend16_s i64.extend8_s i64.extend16_s i64.extend32_s"],
  [0xfc_00, "i32.", "trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u"],
  [0xfc_04, "i64.", "trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u"],
  [0xfc_0a, "memory.", "copy fill"],
  [0xfd_0000, "v128.", "load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u"],
  [0xfd_0007, "v128.", "load8_splat load16_splat load32_splat load64_splat store const"],
  [0xfd_000d, "", "i8x16.shuffle i8x16.swizzle i8x16.splat i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat"],
  [0xfd_0015, "i8x16.", "extract_lane_s extract_lane_u replace_lane"],
  [0xfd_0018, "i16x8.", "extract_lane_s extract_lane_u replace_lane"],
  [0xfd_001b, "", "i32x4.extract_lane i32x4.replace_lane i64x2.extract_lane i64x2.replace_lane"],
  [0xfd_001f, "", "f32x4.extract_lane f32x4.replace_lane f64x2.extract_lane f64x2.replace_lane"],
  [0xfd_0023, "i8x16.", INTEGER_COMPARISONS],
  [0xfd_002d, "i16x8.", INTEGER_COMPARISONS],
  [0xfd_0037, "i32x4.", INTEGER_COMPARISONS],
  [0xfd_0041, "f32x4.", FLOAT_COMPARISONS],
  [0xfd_0047, "f64x2.", FLOAT_COMPARISONS],
  [0xfd_004d, "v128.", "not and andnot or xor bitselect any_true"],
  [0xfd_0054, "v128.", "load8_lane load16_lane load32_lane load64_lane store8_lane store16_lane store32_lane store64_lane"],
  [0xfd_005c, "", "v128.load32_zero v128.load64_zero f32x4.demote_f64x2_zero f64x2.promote_low_f32x4"],
  [0xfd_0060, "i8x16.", "abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u"],
  [0xfd_0067, "f32x4.", "ceil floor trunc nearest"],
  [0xfd_006b, "i8x16.", SMALL_ARITHMETIC],
  [0xfd_0074, "", "f64x2.ceil f64x2.floor i8x16.min_s i8x16.min_u i8x16.max_s i8x16.max_u f64x2.trunc i8x16.avgr_u"],
  [0xfd_007c, "", "i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u"],
  [0xfd_007e, "", "i32x4.extadd_pairwise_i16x8_s i32x4.extadd_pairwise_i16x8_u"],
  [0xfd_0080, "i16x8.", "abs neg q15mulr_sat_s all_true bitmask narrow_i32x4_s narrow_i32x4_u"],
  [0xfd_0087, "i16x8.", "extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u"],
  [0xfd_008b, "i16x8.", SMALL_ARITHMETIC],
  [0xfd_0094, "", "f64x2.nearest i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u - i16x8.avgr_u"],
  [0xfd_009c, "i16x8.", "extmul_low_i8x16_s extmul_high_i8x16_s extmul_low_i8x16_u extmul_high_i8x16_u"],
  [0xfd_00a0, "i32x4.", "abs neg - all_true bitmask - - extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u"],
  [0xfd_00ab, "i32x4.", "shl shr_s shr_u add - - sub - - - mul min_s min_u max_s max_u dot_i16x8_s"],
  [0xfd_00bc, "i32x4.", "extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u"],
  [0xfd_00c0, "i64x2.", "abs neg - all_true bitmask - - extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u"],
  [0xfd_00cb, "i64x2.", "shl shr_s shr_u add - - sub - - - mul eq ne lt_s gt_s le_s ge_s"],
  [0xfd_00dc, "i64x2.", "extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u"],
  [0xfd_00e0, "f32x4.", FLOAT_VECTORS],
  [0xfd_00ec, "f64x2.", FLOAT_VECTORS],
  [0xfd_00f8, "", "i32x4.trunc_sat_f32x4_s i32x4.trunc_sat_f32x4_u f32x4.convert_i32x4_s f32x4.convert_i32x4_u"],
  [0xfd_00fc, "i32x4.", "trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero"],
  [0xfd_00fe, "f64x2.", "convert_low_i32x4_s convert_low_i32x4_u"],
];

export const OPCODE_NAMES: ReadonlyMap<number, string> = new Map(
  RUNS.flatMap(([first, prefix, names]) =>
    names
      .split(" ")
      .map((name, i) => [first + i, prefix + name] as const)
      .filter(([, name]) => !name.endsWith("-")),
  ),
);
