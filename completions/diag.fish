# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_diag_global_optspecs
    string join \n interval= root= profile= frequency= format= top= sort= pid= unit= profile-mode= flamegraph= stacks= fail-on= color= redact no-config v/verbose output= h/help V/version
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

complete -c diag -n "__fish_diag_needs_command" -l interval -d 'How long to watch, from 1s to 1h [default: 5s]' -r
complete -c diag -n "__fish_diag_needs_command" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_needs_command" -l profile -d 'Say which code, system call or wait it is: sample all CPUs within the window' -r
complete -c diag -n "__fish_diag_needs_command" -l frequency -d 'Samples a second and CPU [default: 99]' -r
complete -c diag -n "__fish_diag_needs_command" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_needs_command" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_needs_command" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_needs_command" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_needs_command" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_needs_command" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_needs_command" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_needs_command" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_needs_command" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_needs_command" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_needs_command" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_needs_command" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_needs_command" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_needs_command" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_needs_command" -s V -l version -d 'Print version'
complete -c diag -n "__fish_diag_needs_command" -f -a "record" -d 'Diagnose this machine and keep the raw counters in FILE'
complete -c diag -n "__fish_diag_needs_command" -f -a "replay" -d 'Diagnose a capture of another time or machine'
complete -c diag -n "__fish_diag_needs_command" -f -a "report" -d 'Write the tuning report: one HTML file with pictures of the window, who, why, and what to do'
complete -c diag -n "__fish_diag_needs_command" -f -a "watch" -d 'Diagnose this machine over and over, one verdict a window, and raise an alarm that does not flap'
complete -c diag -n "__fish_diag_needs_command" -f -a "status" -d 'The last verdict that `diag watch` kept, within milliseconds, and how old it is'
complete -c diag -n "__fish_diag_needs_command" -f -a "explain" -d 'Explain a bottleneck: how it is told, what looks like it, how to confirm it by hand, how to fix it'
complete -c diag -n "__fish_diag_needs_command" -f -a "config" -d 'Print a configuration file with every limit, its default and its source, all commented out'
complete -c diag -n "__fish_diag_needs_command" -f -a "schema" -d 'Print the JSON Schema of the report, or of the lines of `diag watch`'
complete -c diag -n "__fish_diag_needs_command" -f -a "completions" -d 'Print the completion script for a shell'
complete -c diag -n "__fish_diag_using_subcommand record" -l interval -d 'How long to watch, from 1s to 1h [default: 5s]' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand record" -l profile -d 'Say which code, system call or wait it is: sample all CPUs within the window' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l frequency -d 'Samples a second and CPU [default: 99]' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand record" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand record" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand record" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand record" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand record" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand record" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand record" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand record" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand record" -l without-command-lines -d 'Leave command lines out of the capture'
complete -c diag -n "__fish_diag_using_subcommand record" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand record" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand record" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand record" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand replay" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand replay" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand replay" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand replay" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand replay" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand replay" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand replay" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand replay" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand replay" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand replay" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand report" -l compare -d 'Say what changed between two captures, and whether the fix worked' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l interval -d 'How long to watch, from 1s to 1h [default: 5s]' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand report" -l profile -d 'Say which code, system call or wait it is: sample all CPUs within the window' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l frequency -d 'Samples a second and CPU [default: 99]' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand report" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand report" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand report" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand report" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand report" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand report" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand report" -l no-profile -d 'Do not sample the CPUs'
complete -c diag -n "__fish_diag_using_subcommand report" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand report" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand report" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand watch" -l interval -d 'Length of each window, from 1s to 1h [default: 10s]' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l root -d 'Read the kernel\'s files below DIR instead of /' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand watch" -l raise -d 'Raise the alarm when N of the last M windows were bad' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l clear -d 'Lower the alarm after N windows in a row below its level' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l exec -d 'Run CMD with sh when the alarm changes' -r -f -a "(__fish_complete_command)"
complete -c diag -n "__fish_diag_using_subcommand watch" -l webhook -d 'Post the transition\'s JSON to URL when the alarm changes' -r -f
complete -c diag -n "__fish_diag_using_subcommand watch" -l alertmanager -d 'Keep the alarm known to the Alertmanager at URL' -r -f
complete -c diag -n "__fish_diag_using_subcommand watch" -l instance -d 'Name of this machine in its alerts [default: its host name]' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l state -d 'Keep the last verdict in FILE [default: /run/diag/state.json as root, else $XDG_RUNTIME_DIR/diag/state.json]' -r -F
complete -c diag -n "__fish_diag_using_subcommand watch" -l count -d 'End after N windows' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l trigger-dir -d 'Keep a capture of each such moment in DIR, for `diag replay`' -r -f -a "(__fish_complete_directories)"
complete -c diag -n "__fish_diag_using_subcommand watch" -l trigger-keep -d 'Captures to keep; older ones are removed, and so are those beyond 64 MiB' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand watch" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand watch" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand watch" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand watch" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand watch" -l on-change -d 'Print a line only where something changes: the alarm, the clock, a trigger with its verdict, the end'
complete -c diag -n "__fish_diag_using_subcommand watch" -l trigger -d 'Wait until the box gets slow, then record and diagnose that moment'
complete -c diag -n "__fish_diag_using_subcommand watch" -l without-command-lines -d 'Leave command lines out of what is printed and captured'
complete -c diag -n "__fish_diag_using_subcommand watch" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand watch" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand watch" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand watch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand status" -l state -d 'The state file [default: that of this user\'s diag watch, else /run/diag/state.json]' -r -F
complete -c diag -n "__fish_diag_using_subcommand status" -l floor -d 'With --format haproxy: smallest weight to ask for, in percent' -r
complete -c diag -n "__fish_diag_using_subcommand status" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand status" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand status" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand status" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand status" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand status" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand status" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand status" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand status" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand status" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand status" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand status" -l quiet -d 'Print nothing; the exit code alone says it, with --fail-on'
complete -c diag -n "__fish_diag_using_subcommand status" -l unknown-ok -d 'Exit with 0 instead of 11 when diag cannot tell'
complete -c diag -n "__fish_diag_using_subcommand status" -l drain -d 'With --format haproxy: take the server out while the verdict is critical'
complete -c diag -n "__fish_diag_using_subcommand status" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand status" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand status" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand explain" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand explain" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand explain" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand explain" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand explain" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand explain" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand explain" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand explain" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand explain" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand explain" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand explain" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand explain" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand explain" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand explain" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand config" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand config" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand config" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand config" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand config" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand config" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand config" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand config" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand config" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand config" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand config" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand config" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand config" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand config" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand config" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand schema" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand schema" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand schema" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand schema" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand schema" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand schema" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand schema" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand schema" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand schema" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand schema" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand schema" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand schema" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand schema" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand schema" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c diag -n "__fish_diag_using_subcommand completions" -l format -d 'Format of the report' -r -f -a "text\t'For people'
json\t'For programs: one object, see `diag schema`'
jsonl\t'The same on one line'
markdown\t'For a ticket, in less than 4 kB'
nagios\t'As a plugin of Nagios or Icinga, with its exit codes; also when called as check_diag'
prometheus\t'Metrics for node_exporter\'s textfile collector, with --output DIR/diag.prom'
html\t'The tuning report: one file that needs nothing else'
haproxy\t'For the agent-check of HAProxy: one line with a weight; meant for `diag status`'"
complete -c diag -n "__fish_diag_using_subcommand completions" -l top -d 'List at most N processes' -r
complete -c diag -n "__fish_diag_using_subcommand completions" -l sort -d 'What to rank the processes by [default: what the verdict is about]' -r -f -a "cpu\t'CPU time'
memory\t'Memory, shared pages divided by their users'
io\t'Bytes from and to devices'
wait\t'Time spent waiting for a CPU or a device'"
complete -c diag -n "__fish_diag_using_subcommand completions" -l pid -d 'Say where this process spent its time, and show it wherever it ranks' -r
complete -c diag -n "__fish_diag_using_subcommand completions" -l unit -d 'The same for all processes of a systemd unit, container or pod' -r
complete -c diag -n "__fish_diag_using_subcommand completions" -l profile-mode -d 'What to profile [default: what the verdict is about]' -r -f -a "on-cpu\t'The code that takes the CPU time'
syscalls\t'The system calls'
waits\t'What the threads wait for'"
complete -c diag -n "__fish_diag_using_subcommand completions" -l flamegraph -d 'Draw the profile\'s stacks as a flame graph' -r -F
complete -c diag -n "__fish_diag_using_subcommand completions" -l stacks -d 'Write the profile\'s stacks, one folded to a line' -r -F
complete -c diag -n "__fish_diag_using_subcommand completions" -l fail-on -d 'Exit with 10 when the verdict is at LEVEL or above, with 11 when diag cannot tell' -r -f -a "warning\t'Somebody waits, or soon will'
critical\t'The box is slow because of it'"
complete -c diag -n "__fish_diag_using_subcommand completions" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'In any case'
never\t'In no case'"
complete -c diag -n "__fish_diag_using_subcommand completions" -l output -d 'Write the report to FILE instead of standard output' -r -F
complete -c diag -n "__fish_diag_using_subcommand completions" -l redact -d 'Replace what identifies people and machines'
complete -c diag -n "__fish_diag_using_subcommand completions" -l no-config -d 'Ignore the configuration files'
complete -c diag -n "__fish_diag_using_subcommand completions" -s v -l verbose -d 'Show every step, finding and number'
complete -c diag -n "__fish_diag_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
