export const COMPILERS = [];
