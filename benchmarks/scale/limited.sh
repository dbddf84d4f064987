#!/bin/sh
# Runs a command in a cgroup (v1) with a limit of memory and no swap: limited.sh MIB COMMAND...
# Prints how it ended: 137 is killed by the kernel for memory. Needs root.
set -eu
group=/sys/fs/cgroup/memory/scale-benchmark-$$
mkdir "$group"
trap 'rmdir "$group"' EXIT
echo $(($1 * 1048576)) > "$group/memory.limit_in_bytes"
shift
status=0
sh -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$group" "$@" || status=$?
echo "status $status, at most $(($(cat "$group/memory.max_usage_in_bytes") / 1048576)) MiB with the file cache" >&2
exit $status
