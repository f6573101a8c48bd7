#!/bin/sh
# A counter in a file of a synced folder. Each machine raises it ten times: read, add one, write. On one disk, one after
# the other, that is right. Here each machine has its own copy of the folder:
#
#   mkdir A B C
#   cloudchamber live --profile dropbox --seed 7 --speed 20 --record counter.jsonl A B C -- sh counter.sh A B C
#   cat A/counter
set -eu

machine() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    count=$(cut -d ' ' -f 1 "$1/counter" 2>/dev/null || echo 0)
    echo "$((count + 1)) by $(basename "$1")" > "$1/counter"
    sleep 0.2
  done
}

for folder; do machine "$folder" & done
wait
