// The same cases in every run: what fails once fails again. FAST_CHECK_SEED=<number> looks elsewhere.
require("fast-check").configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED ?? 1) });
