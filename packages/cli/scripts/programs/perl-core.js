export const PERL_CORE = [];
