-- Options of GNU parallel and xargs that tine map does not have, each with a hint at what to use instead.
local HINTS <const> = {
  { "-a", "--arg-file", hint = "files are named behind FUNCTION or -x COMMAND" },
  { "-d", "--delimiter", hint = "lines end with a newline, or with -0 with a zero byte" },
  { "-I", "-i", "--replace", hint = "{} is replaced without it" },
  { "-X", "-m", "-l", "-L", "-s", "--xargs", "--max-args", "--max-lines", "--max-chars",
    hint = "a command gets one line; --pipe -N LINES -x 'xargs COMMAND' gives it several" },
  { "-r", "--no-run-if-empty", "--group", "--silent", hint = "it is always so" },
  { "-t", "-v", "--verbose", hint = "--dry-run prints what would be run" },
  { "-u", "--ungroup", "--latest-line", "--ll", hint = "--line-buffer prints a command's output as it comes" },
  { "--eta", hint = "--progress shows the time left" },
  { "--link", "--xapply", hint = "arguments behind :::+ go in step" },
  { "--retry", hint = "--retries N runs a line N times at most" },
  { "--retry-failed", hint = "--joblog FILE --resume-failed runs again what has failed" },
  { "--quote", "--shellquote", hint = "values are always quoted for the shell" },
  { "--rpl", "--plus", "--parens", "-U", "--extensionreplace", "--er", "--basenamereplace", "--bnr",
    "--dirnamereplace", "--dnr", "--basenameextensionreplace", "--bner", "--seqreplace", "--slotreplace",
    hint = "the shell makes what {} and {.} do not: -x 'v={}; echo ${v%%.*}'" },
  { "--trc", "--transferfile", "--transfer", "--tf", "--return", "--cleanup", "--basefile", "--bf", "-S", "--sshlogin",
    "--sshloginfile", "--slf", "--onall", "--nonall", "--sshdelay", "-M", "--controlmaster", "--hostgroups", "--hgrp",
    "--filter-hosts", hint = "commands run here; tine serve runs tasks of programs on other machines" },
  { "--workdir", "--wd", hint = "-x 'cd DIR && COMMAND'" },
  { "--env", "--record-env", "--session", hint = "commands have the environment of tine map" },
  { "--nice", hint = "nice -n N tine map ..." },
  { "--load", "--memfree", "--noswap", "--limit", hint = "-j N runs so many at a time" },
  { "--shuf", hint = "shuf FILE | tine map ..." },
  { "--trim", hint = "spaces around columns are cut off; sed takes those around a line" },
  { "--skip-first-line", hint = "--header : takes it for names of columns; tail -n +2 FILE | tine map ..." },
  { "-E", "-e", "--eof", "--eof-str", hint = "sed '/^END$/,$d' FILE | tine map ..." },
  { "--recstart", "--recend", "--regexp", "--remove-rec-sep", "--rrs",
    hint = "--pipe cuts between lines, or with -0 behind zero bytes" },
  { "--pipe-part", "--pipepart", hint = "--pipe reads files block by block" },
  { "--cat", "--fifo", hint = "--pipe has the block on stdin: -x 'cat > {#}.part; COMMAND {#}.part'" },
  { "--tee", hint = "each block goes to one command: -x 'tee {#}.part | COMMAND'" },
  { "--round-robin", "--roundrobin", "--rr", "--shard", "--bin", "--group-by", "--groupby",
    hint = "with --pipe each block goes to a command of its own" },
  { "--tagstring", "--tagstr", "--ctag", "--ctagstring", hint = "--tag prints the line in front" },
  { "--files", "--output-as-files", hint = "--results DIR keeps what is printed in files" },
  { "--sqlmaster", "--sqlworker", "--sqlandworker", "--sql", hint = "--joblog FILE tells what was run" },
  { "--tmpdir", "--tempdir", hint = "TMPDIR=DIR tine map ..." },
  { "--compress", "--compress-program", hint = "outputs that wait are in files of $TMPDIR" },
  { "-p", "--interactive", "-o", "--tty", "--open-tty", "--fg", "--tmux", "--tmuxpane",
    hint = "commands run in the background, their stdin is empty" },
  { "--semaphore", "--sem", "--bg", "--wait", "--id", hint = "flock FILE COMMAND runs one at a time" },
  { "--termseq", hint = "what takes too long is killed, with all that it has started" },
  { "--process-slot-var", hint = "{%} is the number of the worker" },
  { "--color", "--colour", "--will-cite", "--no-notice", "--citation", "--gnu", "--profile", "-J",
    hint = "there is no such thing here" },
  { "--version", "-V", hint = "tine --version prints it" },
}

local M = {}

-- Adds them to a table of options (cli/options.lua).
function M.add(options)
  table.move(HINTS, 1, #HINTS, #options + 1, options)
  return options
end

return M
