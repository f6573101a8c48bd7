#!/bin/sh
# todo.txt on two machines: each adds fifteen tasks, and marks one as done after every fourth. In the end each task is in
# todo.txt or in done.txt.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"

machine() {
  name=$(basename "$1")
  printf 'export TODO_DIR="%s" TODO_FILE="%s/todo.txt" DONE_FILE="%s/done.txt" REPORT_FILE="%s/report.txt"\n' \
    "$1" "$1" "$1" "$PWD" > "$name.cfg"
  for n in $(seq 15); do
    todo-txt -d "$name.cfg" add "task-$name-$n" > /dev/null && echo "task-$name-$n" >> "added-$name"
    if [ $((n % 4)) = 0 ]; then todo-txt -d "$name.cfg" do 1 > /dev/null || true; fi
    sleep 0.3
  done
}

for folder; do machine "$folder" & done
wait
"$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
cat added-* | sort > added
cat "$1/todo.txt" "$1/done.txt" | grep -o 'task-[^ ]*' | sort -u > listed
cat "$1"/* | grep -ao 'task-[^ ]*' | sort -u > anywhere
echo "todo.txt: $(wc -l < added) tasks were added; $(comm -23 added listed | wc -l) of them are not in todo.txt or done.txt any more," \
  "$(comm -23 added anywhere | wc -l) in no file of the folder; $(ls "$1" | wc -l) files lie there"
test -z "$(comm -23 added listed)"
