export const TERMINAL = [];
