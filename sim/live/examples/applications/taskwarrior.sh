#!/bin/sh
# Taskwarrior 2.6 on two machines, with its data in the folder: each adds fifteen tasks, and completes one after every fourth.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"
task_of() { folder=$1; shift; task "rc.data.location=$folder" rc.confirmation=no rc.verbose=nothing rc.gc=on "$@" 2>> errors; }
touch empty.rc errors
export TASKRC="$PWD/empty.rc"

machine() {
  name=$(basename "$1")
  for n in $(seq 15); do
    task_of "$1" add "task-$name-$n" > /dev/null && echo "task-$name-$n" >> "added-$name"
    if [ $((n % 4)) = 0 ]; then task_of "$1" "/task-$name-$n/" done > /dev/null || true; fi
    sleep 0.3
  done
}

for folder; do machine "$folder" & done
wait
"$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
sort added-* > added
task_of "$1" export > export.json || true
grep -o 'task-[A-Za-z]*-[0-9]*' export.json | sort -u > listed
cat "$1"/* | grep -ao 'task-[A-Za-z]*-[0-9]*' | sort -u > anywhere
echo "Taskwarrior: $(wc -l < added) tasks were added; $(comm -23 added listed | wc -l) of them are not listed any more," \
  "$(comm -23 added anywhere | wc -l) in no file of the folder; it complained $(wc -l < errors) times; $(ls "$1" | wc -l) files lie there"
test -z "$(comm -23 added listed)"
