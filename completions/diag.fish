# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_diag_global_optspecs
    string join \n t/interval= timeout= root= profile= frequency= p/pid= u/unit= top= sort= profile-mode= flamegraph= stacks= f/format= color= o/output= v/verbose fail-on= redact no-config h/help V/version
end

function __fish_diag_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_diag_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_diag_using_subcommand
    set -l cmd (__fish_diag_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c diag -n "__fish_diag_needs_command" -s t -l interval -l duration -d 'How long to watch, from 1s to 1h [default: 5s]' -r
complete -c diag -n "__fish_diag_needs_command" -l timeout -d 'Answer within this time; `-t` of check_diag' -r
complete -c diag -n "__fish_diag_needs_command" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_needs_command" -l profile -d 'Profile all CPUs during the window; report the hot function, system call or wait' -r
complete -c diag -n "__fish_diag_needs_command" -l frequency -d 'Samples per second and CPU [default: 99]' -r
complete -c diag -n "__fish_diag_needs_command" -s p -l pid -d 'Show where this process spent its time' -r
complete -c diag -n "__fish_diag_needs_command" -s u -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_needs_command" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_needs_command" -l sort -d 'Rank the processes by KEY [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, with shared pages divided among their users'
io\t'Bytes read from and written to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_needs_command" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'Code that uses CPU time'
syscalls\t'System calls'
waits\t'What threads wait for'"
complete -c diag -n "__fish_diag_needs_command" -l flamegraph -d 'Write a flame graph of the profile to FILE' -r -F
complete -c diag -n "__fish_diag_needs_command" -l stacks -d 'Write the folded stacks of the profile to FILE, one per line' -r -F
complete -c diag -n "__fish_diag_needs_command" -s f -l format -d 'Format of the report [default: text]' -r -f -a "text\t'For people'
json\t'For programs: one object; its schema: `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, less than 4 kB'
nagios\t'Plugin output for Nagios and Icinga, with their exit codes; the default when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report, in one file'
haproxy\t'One line with a weight for the agent-check of HAProxy; meant for `diag status`'"
complete -c diag -n "__fish_diag_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_needs_command" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_needs_command" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "notice\t'A program is at its own limit; the box is short of nothing'
warning\t'Threads wait, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_needs_command" -s v -l verbose -d 'Print the whole report: every step, every number with its limit and source'
complete -c diag -n "__fish_diag_needs_command" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_needs_command" -l no-config -d 'Ignore the configuration files; all limits have their defaults'
complete -c diag -n "__fish_diag_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_needs_command" -s V -l version -d 'Print version'
complete -c diag -n "__fish_diag_needs_command" -f -a "record" -d 'Diagnose this machine and keep the raw counters in FILE'
complete -c diag -n "__fish_diag_needs_command" -f -a "replay" -d 'Diagnose a capture of another time or machine'
complete -c diag -n "__fish_diag_needs_command" -f -a "report" -d 'Write the tuning report: one HTML file with charts, flame graph, culprit and advice'
complete -c diag -n "__fish_diag_needs_command" -f -a "watch" -d 'Diagnose continuously: one verdict per window, with a debounced alarm'
complete -c diag -n "__fish_diag_needs_command" -f -a "status" -d 'Print the last verdict of `diag watch` and its age, within milliseconds'
complete -c diag -n "__fish_diag_needs_command" -f -a "explain" -d 'Explain a bottleneck: symptom, limits, false positives, checks by hand, fixes'
complete -c diag -n "__fish_diag_needs_command" -f -a "config" -d 'Print a configuration file with every limit, its default and its source, all commented out'
complete -c diag -n "__fish_diag_needs_command" -f -a "schema" -d 'Print the JSON Schema of the report, or of a line of `diag watch`'
complete -c diag -n "__fish_diag_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c diag -n "__fish_diag_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c diag -n "__fish_diag_using_subcommand record" -s t -l interval -l duration -d 'How long to watch, from 1s to 1h [default: 5s]' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l timeout -d 'Answer within this time; `-t` of check_diag' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand record" -l profile -d 'Profile all CPUs during the window; report the hot function, system call or wait' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l frequency -d 'Samples per second and CPU [default: 99]' -r
complete -c diag -n "__fish_diag_using_subcommand record" -s p -l pid -d 'Show where this process spent its time' -r
complete -c diag -n "__fish_diag_using_subcommand record" -s u -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l sort -d 'Rank the processes by KEY [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, with shared pages divided among their users'
io\t'Bytes read from and written to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand record" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'Code that uses CPU time'
syscalls\t'System calls'
waits\t'What threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand record" -l flamegraph -d 'Write a flame graph of the profile to FILE' -r -F
complete -c diag -n "__fish_diag_using_subcommand record" -l stacks -d 'Write the folded stacks of the profile to FILE, one per line' -r -F
complete -c diag -n "__fish_diag_using_subcommand record" -s f -l format -d 'Format of the report [default: text]' -r -f -a "text\t'For people'
json\t'For programs: one object; its schema: `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, less than 4 kB'
nagios\t'Plugin output for Nagios and Icinga, with their exit codes; the default when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report, in one file'
haproxy\t'One line with a weight for the agent-check of HAProxy; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand record" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_using_subcommand record" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand record" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "notice\t'A program is at its own limit; the box is short of nothing'
warning\t'Threads wait, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand record" -l force -d 'Overwrite FILE where it exists'
complete -c diag -n "__fish_diag_using_subcommand record" -l without-command-lines -d 'Leave command lines out of the capture'
complete -c diag -n "__fish_diag_using_subcommand record" -s v -l verbose -d 'Print the whole report: every step, every number with its limit and source'
complete -c diag -n "__fish_diag_using_subcommand record" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand record" -l no-config -d 'Ignore the configuration files; all limits have their defaults'
complete -c diag -n "__fish_diag_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand replay" -s p -l pid -d 'Show where this process spent its time' -r
complete -c diag -n "__fish_diag_using_subcommand replay" -s u -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand replay" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand replay" -l sort -d 'Rank the processes by KEY [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, with shared pages divided among their users'
io\t'Bytes read from and written to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'Code that uses CPU time'
syscalls\t'System calls'
waits\t'What threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l flamegraph -d 'Write a flame graph of the profile to FILE' -r -F
complete -c diag -n "__fish_diag_using_subcommand replay" -l stacks -d 'Write the folded stacks of the profile to FILE, one per line' -r -F
complete -c diag -n "__fish_diag_using_subcommand replay" -s f -l format -d 'Format of the report [default: text]' -r -f -a "text\t'For people'
json\t'For programs: one object; its schema: `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, less than 4 kB'
nagios\t'Plugin output for Nagios and Icinga, with their exit codes; the default when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report, in one file'
haproxy\t'One line with a weight for the agent-check of HAProxy; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_using_subcommand replay" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand replay" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "notice\t'A program is at its own limit; the box is short of nothing'
warning\t'Threads wait, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand replay" -s v -l verbose -d 'Print the whole report: every step, every number with its limit and source'
complete -c diag -n "__fish_diag_using_subcommand replay" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand replay" -l no-config -d 'Ignore the configuration files; all limits have their defaults'
complete -c diag -n "__fish_diag_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand report" -l compare -d 'Report what changed between two captures, and whether the fix worked' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l timeout -d 'Answer within this time; `-t` of check_diag' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand report" -l frequency -d 'Samples per second and CPU [default: 99]' -r
complete -c diag -n "__fish_diag_using_subcommand report" -s p -l pid -d 'Show where this process spent its time' -r
complete -c diag -n "__fish_diag_using_subcommand report" -s u -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l sort -d 'Rank the processes by KEY [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, with shared pages divided among their users'
io\t'Bytes read from and written to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand report" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'Code that uses CPU time'
syscalls\t'System calls'
waits\t'What threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand report" -l flamegraph -d 'Write a flame graph of the profile to FILE' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l stacks -d 'Write the folded stacks of the profile to FILE, one per line' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_using_subcommand report" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "notice\t'A program is at its own limit; the box is short of nothing'
warning\t'Threads wait, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand report" -s t -l interval -l duration -d 'How long to watch, from 1s to 1h [default: 30s]' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l profile -d 'Time for tracing the culprit alone after the window [default: 2s]' -r
complete -c diag -n "__fish_diag_using_subcommand report" -s f -l format -d 'Format of the report [default: html]' -r -f -a "text\t'For people'
json\t'For programs: one object; its schema: `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, less than 4 kB'
nagios\t'Plugin output for Nagios and Icinga, with their exit codes; the default when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report, in one file'
haproxy\t'One line with a weight for the agent-check of HAProxy; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand report" -l no-profile -d 'Do not sample the CPUs'
complete -c diag -n "__fish_diag_using_subcommand report" -s v -l verbose -d 'Print the whole report: every step, every number with its limit and source'
complete -c diag -n "__fish_diag_using_subcommand report" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand report" -l no-config -d 'Ignore the configuration files; all limits have their defaults'
complete -c diag -n "__fish_diag_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand watch" -s t -l interval -l duration -d 'Length of each window, from 1s to 1h [default: 10s]' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand watch" -l raise -d 'Raise the alarm when N of the last M windows were bad' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l clear -d 'Lower the alarm after N windows in a row below its level' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l exec -d 'Run CMD with sh when the alarm changes' -r -f -a "(__fish_complete_command)"
complete -c diag -n "__fish_diag_using_subcommand watch" -l webhook -d 'Post the transition as JSON to URL when the alarm changes' -r -f
complete -c diag -n "__fish_diag_using_subcommand watch" -l alertmanager -d 'Send the alarm to the Alertmanager at URL' -r -f
complete -c diag -n "__fish_diag_using_subcommand watch" -l instance -d 'Label `instance` of the alerts [default: the host name]' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l state -d 'Keep the last verdict in FILE [default: /run/diag/state.json as root, else $XDG_RUNTIME_DIR/diag/state.json]' -r -F
complete -c diag -n "__fish_diag_using_subcommand watch" -l count -d 'End after N windows' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l trigger-dir -d 'Keep a capture of each such moment in DIR, for `diag replay`' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand watch" -l trigger-keep -d 'Number of captures to keep; the oldest are removed, also beyond 64 MiB in total' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l sort -d 'Rank the processes by KEY [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, with shared pages divided among their users'
io\t'Bytes read from and written to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_using_subcommand watch" -s f -l format -d 'Format of the lines [default: text on a terminal, else jsonl]' -r -f -a "text\t'For people'
jsonl\t'The same on one line'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l on-change -d 'Print a line only on a change: the alarm, the clock, a trigger with its verdict, the end'
complete -c diag -n "__fish_diag_using_subcommand watch" -l trigger -d 'Wait until the box gets slow, then record and diagnose that moment'
complete -c diag -n "__fish_diag_using_subcommand watch" -l without-command-lines -d 'Leave command lines out of what is printed and captured'
complete -c diag -n "__fish_diag_using_subcommand watch" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand watch" -l no-config -d 'Ignore the configuration files; all limits have their defaults'
complete -c diag -n "__fish_diag_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand status" -l state -d 'The state file [default: that of this user\'s diag watch, else /run/diag/state.json]' -r -F
complete -c diag -n "__fish_diag_using_subcommand status" -l floor -d 'With --format haproxy: smallest weight to ask for, in percent' -r
complete -c diag -n "__fish_diag_using_subcommand status" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_using_subcommand status" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand status" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "notice\t'A program is at its own limit; the box is short of nothing'
warning\t'Threads wait, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand status" -s f -l format -d 'Format of the report [default: text]' -r -f -a "text\t'For people'
json\t'For programs: one object; its schema: `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, less than 4 kB'
nagios\t'Plugin output for Nagios and Icinga, with their exit codes; the default when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
haproxy\t'One line with a weight for the agent-check of HAProxy; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand status" -l quiet -d 'Print nothing; use the exit code, with --fail-on'
complete -c diag -n "__fish_diag_using_subcommand status" -l unknown-ok -d 'Exit with 0 instead of 11 when diag cannot tell'
complete -c diag -n "__fish_diag_using_subcommand status" -l drain -d 'With --format haproxy: take the server out while the verdict is critical'
complete -c diag -n "__fish_diag_using_subcommand status" -s v -l verbose -d 'Print the whole report: every step, every number with its limit and source'
complete -c diag -n "__fish_diag_using_subcommand status" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand explain" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c diag -n "__fish_diag_using_subcommand explain" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand explain" -s f -l format -d 'Format of the text [default: text]' -r -f -a "text\t'For people'
json\t'For programs: one object; its schema: `diag schema`'"
complete -c diag -n "__fish_diag_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand config" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand schema" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand completions" -s o -l output -d 'Write to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "record" -d 'Diagnose this machine and keep the raw counters in FILE'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "replay" -d 'Diagnose a capture of another time or machine'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "report" -d 'Write the tuning report: one HTML file with charts, flame graph, culprit and advice'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "watch" -d 'Diagnose continuously: one verdict per window, with a debounced alarm'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "status" -d 'Print the last verdict of `diag watch` and its age, within milliseconds'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "explain" -d 'Explain a bottleneck: symptom, limits, false positives, checks by hand, fixes'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "config" -d 'Print a configuration file with every limit, its default and its source, all commented out'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "schema" -d 'Print the JSON Schema of the report, or of a line of `diag watch`'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "completions" -d 'Print the completion script for a shell'
complete -c diag -n "__fish_diag_using_subcommand help; and not __fish_seen_subcommand_from record replay report watch status explain config schema completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
