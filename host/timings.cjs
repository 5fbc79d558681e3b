// Records where the time of a run goes, as a trace for ui.perfetto.dev and chrome://tracing: a JSON array of events, to which
// every process of the run appends. Both read it without its closing bracket, so an interrupted run's file opens too.
// Spans are a begin and an end instead of one event: a killed process cannot write how long its last step took.
// JavaScript, since npm start needs it before the packages are installed.
const {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} = require("node:fs");
const { dirname, isAbsolute } = require("node:path");

/** The variable that names the file for every process of a run. */
const FILE = "CILIUM_MODES_TIMINGS";

/** The variable that identifies a run of npm start; one of plain Pulumi is identified by its engine's process. */
const RUN = "CILIUM_MODES_TIMINGS_RUN";

/** All rows belong to one process of the trace, which viewers unfold as a whole. */
const PROCESS = 1;

/** The begin of every file. */
const HEAD = `[\n{"ph":"M","pid":${PROCESS},"name":"process_name","args":`;

const NOTHING = () => undefined;

function begin(file, title, run, began = now()) {
  const refuse = (why) => {
    throw new Error(`The timings cannot be written to ${file}: ${why}`);
  };
  const folder = dirname(file);
  if (existsSync(file)) {
    if (!statSync(file).isFile()) refuse("it is not a regular file; name another one");
    if (statSync(file).size > 0 && headerOf(file) === undefined)
      refuse("it exists and holds no timings; name another file");
  } else if (!existsSync(folder)) refuse(`the folder ${folder} does not exist; run: mkdir -p ${folder}`);
  try {
    // what an earlier, killed run left running has the old file open
    rmSync(file, { force: true });
    writeFileSync(file, `${HEAD}${JSON.stringify({ name: title, run, began })}}`);
  } catch (error) {
    refuse(`${error.code}; name a file in a folder that you may write`);
  }
}

function beginInProgram(title) {
  const file = process.env[FILE];
  if (!file) return undefined;
  // the stack's commands run in the project's folder, like its program
  if (!isAbsolute(file) && process.env.PWD && realpathSync(process.env.PWD) !== process.cwd())
    throw new Error(
      `${FILE}=${file} is relative, and pulumi does not run in the project's folder; set ${FILE}=${process.env.PWD}/${file}`,
    );
  const run = thisRun();
  if (run === undefined)
    throw new Error(
      `${FILE} finds no process pulumi above this program, which needs Linux's /proc; use npm start -- <stack> --timings <file>`,
    );
  const isBegun = headerOf(file)?.run === run;
  const programStarted = Math.round(performance.timeOrigin * 1000);
  // in some containers, /proc/uptime has another clock than processes have
  const started = engine()?.started;
  const engineStarted = started !== undefined && started <= programStarted ? started : undefined;
  if (!isBegun) begin(file, title, run, engineStarted ?? programStarted);
  return { isBegun, engineStarted, programStarted };
}

function start(row, name, at = now()) {
  if (!process.env[FILE] || !open()) return NOTHING;
  const tid = idOf(row);
  if (!rows.has(row)) {
    rows.add(row);
    append({ ph: "M", tid, name: "thread_name", args: { name: row } });
    // rows in the order in which they begin
    append({ ph: "M", tid, name: "thread_sort_index", args: { sort_index: Math.round((at - began) / 1000) } });
  }
  append({ ph: "B", tid, name, ts: at - began });
  return (end = now()) => append({ ph: "E", tid, ts: end - began });
}

async function span(row, name, work) {
  const end = start(row, name);
  try {
    return await work();
  } finally {
    end();
  }
}

function steps(row) {
  let current;
  let end = NOTHING;
  return (name) => {
    if (name === current) return;
    end();
    current = name;
    end = name === undefined ? NOTHING : start(row, name);
  };
}

/** The rows that this process has named in the file. */
const rows = new Set();
/** The file, once this process has opened it, and when its run began, in microseconds since 1970: its times begin there. */
let descriptor;
let began;

/** The id of a row, the same in all processes: FNV-1a with 31 bits, and never that of the process. */
function idOf(row) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(row)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 1) + PROCESS + 1;
}

/** Open the file, unless it is that of another run. @returns whether this process can record */
function open() {
  if (descriptor !== undefined) return true;
  try {
    const header = headerOf(process.env[FILE]);
    if (header === undefined || header.run !== thisRun()) return false;
    descriptor = openSync(process.env[FILE], constants.O_WRONLY | constants.O_APPEND);
    began = header.began;
    return true;
  } catch {
    return false;
  }
}

function append(event) {
  try {
    // in one write, so that the processes' events do not mix
    writeSync(descriptor, `,\n${JSON.stringify({ pid: PROCESS, ...event })}`);
  } catch {
    // a run does not fail because its timings cannot be written
  }
}

/** The run whose timings a file holds; undefined for any other file. */
function headerOf(file) {
  let opened;
  try {
    opened = openSync(file);
    const first = Buffer.alloc(1000);
    const text = first.toString("utf8", 0, readSync(opened, first));
    const line = text.slice(HEAD.length).split("\n", 1)[0];
    return text.startsWith(HEAD) ? JSON.parse(line.replace(/\},?$/, "")) : undefined;
  } catch {
    return undefined;
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}

function thisRun() {
  return process.env[RUN] || engine()?.id;
}

let found;

/** The Pulumi process above this one: its identity, and when it started, in microseconds since 1970. Linux only. */
function engine() {
  try {
    for (let pid = process.ppid; found === undefined && pid > 0;) {
      const [, program, rest] = /\((.*)\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"));
      // see proc_pid_stat(5), from field 3 on
      const fields = rest.split(" ");
      // some packages start it under another name
      if (/^\.?pulumi(-wrapped)?$/.test(program))
        found = { id: `${pid} ${fields[19]}`, started: timeOf(Number(fields[19])) };
      pid = Number(fields[1]);
    }
  } catch {
    // another system
  }
  return found;
}

/** A time in clock ticks since the machine started, of which there are 100 a second, in microseconds since 1970. */
function timeOf(ticks) {
  const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return now() - Math.round((uptime - ticks / 100) * 1e6);
}

function now() {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

module.exports = { FILE, RUN, begin, beginInProgram, span, start, steps };
