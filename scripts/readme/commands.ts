/** What the exit codes mean, for all commands. */
export const EXIT_CODES: Readonly<Record<0 | 1 | 2 | 3 | 4 | 130, string>> = {
  0: "Success. `verify`: the mode is proven",
  1: "Failure: the mode is not in force, a packet took another path, no flow was seen, a flow was interrupted, a result is worse than the baseline, the machine cannot run the stack, `verify` missed a fault, or the command failed",
  2: "Invalid command line: an unknown command, option or value, or a missing argument",
  3: "`verify`: configuration and agents report the mode, but no traffic was sent to prove it; `--accept reported` makes it 0",
  4: "`verify`: evidence is missing, so the mode is neither proven nor disproved",
  130: "Ctrl-C ended a comparison, whose measurements so far are kept, or a drill, whose fault is undone",
};
