# fish completion for tine

# Whether the first word behind `tine` is this command.
function __tine_command
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]
end

# @file.lua, for a function.
function __tine_lua_files
    set -l start (string sub -s 2 -- (commandline -ct))
    set -l files $start*.lua $start*/
    printf '@%s\n' $files
end

# Programs of others: what options they have is asked.
function __tine_options_of
    set -l words (commandline -opc)
    $words[1] __complete $argv[1] 2>/dev/null
end

complete -c tine -n 'test (count (commandline -opc)) = 1' -a map -d 'A function or a command for each line'
complete -c tine -n 'test (count (commandline -opc)) = 1' -a busted -d 'busted on all processors'
complete -c tine -n 'test (count (commandline -opc)) = 1' -a luacheck -d 'luacheck on all processors'
complete -c tine -n 'test (count (commandline -opc)) = 1' -a top -d 'What the pools of a running program do'
complete -c tine -n 'test (count (commandline -opc)) = 1' -a report -d 'A page of a trace'
complete -c tine -n 'test (count (commandline -opc)) = 1' -a serve -d 'Run tasks of programs on other machines'
complete -c tine -n 'test (count (commandline -opc)) = 1' -a key -d 'Make a key for that'
complete -c tine -n __fish_use_subcommand -s e -x -d 'Execute a string'
complete -c tine -n __fish_use_subcommand -s i -d 'Interactive mode after the script'
complete -c tine -n __fish_use_subcommand -s l -x -d 'Require a library'
complete -c tine -n __fish_use_subcommand -s v -d 'Show version information'
complete -c tine -n __fish_use_subcommand -s E -d 'Ignore environment variables'
complete -c tine -n __fish_use_subcommand -s W -d 'Turn warnings on'
complete -c tine -n __fish_use_subcommand -l help -d Usage
complete -c tine -n __fish_use_subcommand -l version -d 'Version of tine'

set -l map '__tine_command map'
complete -c tine -n "$map" -s j -l jobs -x -d 'So many at a time'
complete -c tine -n "$map" -s n -l chunk -x -d 'Lines that a worker takes at a time'
complete -c tine -n "$map" -l timeout -x -d 'Seconds for a line'
complete -c tine -n "$map" -l retries -x -d 'Runs at most'
complete -c tine -n "$map" -l delay -x -d 'Seconds between two starts'
complete -c tine -n "$map" -l halt -x -a 'now,fail=1 soon,fail=1 now,success=1 never' -d 'When to stop early'
complete -c tine -n "$map" -l seed -x -d 'Of random numbers'
complete -c tine -n "$map" -s 0 -l null -d 'Lines end with a zero byte'
complete -c tine -n "$map" -l colsep -x -d 'What separates columns'
complete -c tine -n "$map" -l csv -d 'Lines and columns of RFC 4180'
complete -c tine -n "$map" -l header -x -a : -d 'The first line names the columns'
complete -c tine -n "$map" -l pipe -d 'Whole blocks of lines'
complete -c tine -n "$map" -l block -x -d 'Bytes of a block'
complete -c tine -n "$map" -s N -x -d 'Lines of a block'
complete -c tine -n "$map" -s x -x -d 'A command for each line'
complete -c tine -n "$map" -l unordered -d 'Results as they come'
complete -c tine -n "$map" -s k -l keep-order -d 'In the order of the input'
complete -c tine -n "$map" -l tag -d 'Lines of output behind their line of input'
complete -c tine -n "$map" -l line-buffer -d 'Output line by line'
complete -c tine -n "$map" -s q -l quiet -d 'No output'
complete -c tine -n "$map" -l results -r -d 'Keep output below a folder'
complete -c tine -n "$map" -l joblog -r -d 'A line for each that is done'
complete -c tine -n "$map" -l resume -d 'Not what is in the joblog'
complete -c tine -n "$map" -l resume-failed -d 'What failed by the joblog'
complete -c tine -n "$map" -l dry-run -d 'Print what would be run'
complete -c tine -n "$map" -l progress -d 'How far it is'
complete -c tine -n "$map" -l bar -d 'How far it is'
complete -c tine -n "$map" -l trace -r -d 'What workers do, for Perfetto or tine report'
complete -c tine -n "$map" -l help -d Usage

for program in busted luacheck
    complete -c tine -n "__tine_command $program; and string match -q -- '-*' (commandline -ct)" -a "(__tine_options_of $program)"
end
complete -c tine -n '__tine_command key' -f
complete -c tine -n "$map; and string match -q -- '@*' (commandline -ct)" -a '(__tine_lua_files)'

set -l top '__tine_command top'
complete -c tine -n "$top" -l once -d 'Print it once'
complete -c tine -n "$top" -l json -d 'Print it once, as JSON'
complete -c tine -n "$top" -l traceback -x -d 'Where a task is'
complete -c tine -n "$top" -s d -l delay -x -d 'Seconds between two looks'
complete -c tine -n "$top" -s h -l help -d Usage
complete -c tine -n '__tine_command report' -s o -l output -r -d 'Where the page goes'
complete -c tine -n '__tine_command report' -l help -d Usage

set -l serve '__tine_command serve'
complete -c tine -n "$serve" -l key -r -d 'The key that all of them have'
complete -c tine -n "$serve" -s j -l jobs -x -d 'So many workers'
complete -c tine -n "$serve" -l name -x -d 'What this host is called'
complete -c tine -n "$serve" -l allow -x -a modules -d 'Refuse calls that carry code'
complete -c tine -n "$serve" -l preload -x -d 'Modules that workers start with'
complete -c tine -n "$serve" -l initializer -r -d 'Run in each worker first'
complete -c tine -n "$serve" -l memory -x -d 'Bytes that a task may add, at most'
complete -c tine -n "$serve" -l timeout -x -d 'Seconds that a task may run, at most'
complete -c tine -n "$serve" -l cache -x -d 'Bytes of functions and values to be kept, about'
complete -c tine -n "$serve" -l max-tasks -x -d 'A worker that has run so many is replaced'
complete -c tine -n "$serve" -l on-disconnect -x -a finish -d 'Tasks whose program is gone'
complete -c tine -n "$serve" -l exit-when-idle -x -d 'End without tasks for so many seconds'
complete -c tine -n "$serve" -l exit-without-server -x -d 'End without servers for so many seconds'
complete -c tine -n "$serve" -l on -x -a '(__fish_print_hostnames)' -d 'Do all that on these hosts'
complete -c tine -n "$serve" -l help -d Usage
