//! The longer texts of the help.

pub(super) const LONG_ABOUT: &str = "\
Names the bottleneck of a slow Linux box, the culprit, why, and what to do.

diag reads the kernel's own counters over a short window and triages like an experienced administrator: load average \
first, then CPU or I/O, then user or system time, or swap or disk, then who. It reports one bottleneck, one culprit, one \
chain of causes and the next action, how sure it is, and what it could not check. It changes nothing on the box.

It runs as any user. As root it sees the I/O and the waits of every process.";

pub(super) const SHORT_FOOTER: &str = "\
Exit codes: 0 ran, 1 could not run, 2 usage; with --fail-on also 10 and 11.
Try 'diag --help' for examples and details, 'diag help COMMAND' for a command.";

pub(super) const LONG_FOOTER: &str = "\
Examples:
  diag                                    what is wrong here, now
  diag -t 30s --sort memory               a longer look, processes by memory
  diag -f json | jq .verdict              for a program
  diag -u nginx                           why this service is slow (or -p 4242, -p nginx)
  diag --profile                          which function, system call or wait it is
  diag --fail-on critical || page-me      for a monitor
  diag -f nagios                          as a plugin of Nagios or Icinga, with its exit codes
  diag -f prometheus -o /var/lib/prometheus/node-exporter/diag.prom
  diag --root /host                       from a container that has the host's / mounted there
  diag record slow.diag                   keep the raw counters of an incident ...
  diag replay slow.diag                   ... and diagnose them on another machine
  diag report -o report.html              the tuning report: charts, flame graph, what to do and to undo
  diag explain memory-swap                what a verdict means, how to confirm it, what to do
  diag config > /etc/diag/config.toml     every limit, to be changed there
  diag watch --exec ./page-me             a verdict every ten seconds; runs ./page-me when the alarm changes
  diag status                             the last verdict of diag watch, at once

Exit codes:
  0   ran, whatever it found; also when the reader of a pipe went away
  1   could not run: no kernel counters, an unreadable capture, an invalid configuration file, a full disk
  2   usage error
  10  with --fail-on only: the verdict is at that level or above
  11  with --fail-on only: diag could not tell
With --format nagios: 0 ok, 1 warning, 2 critical, 3 could not tell or could not run, usage errors included";
