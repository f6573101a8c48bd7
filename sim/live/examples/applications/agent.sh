#!/bin/sh
# cloudchamber-agent on every machine: journals, delta and notes, one command after the other, of which many are killed. What was
# acknowledged is there on every machine in the end.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"
agent=$(dirname "$CLOUDCHAMBER")/cloudchamber-agent
agent() { "$agent" "$@"; }
id_of() { echo "$1" | tr A-Z a-z; }
first=$1

# A command that is killed after a time of its own; what it says is kept only if it ended.
killed() {
  timeout -s KILL "$1" "$agent" $2 "$3" --folder "$folder/$2" --local "$name/$2" $4 > /dev/null 2>> errors
}

machine() {
  folder=$1 name=$(basename "$1")
  while [ ! -e "$folder/notes/notes" ] || [ ! -e "$folder/delta/replicas" ] || [ ! -e "$folder/journal/shared" ]; do sleep 0.1; done
  if [ "$folder" != "$first" ]; then agent journal init --folder "$folder/journal" --local "$name/journal" --machine "$(id_of "$name")" > /dev/null; fi
  while ! agent notes show --folder "$folder/notes" --local "$name/notes" diary > /dev/null 2>&1; do sleep 0.1; done
  for n in $(seq 12); do
    after=0.0$((n * 37 % 10))$((n * 53 % 10))
    if killed "$after" journal append "--say w-$name-$n- --from me --home here"; then echo "w-$name-$n-" >> "said-$name"; fi
    if killed "$after" delta put "task t-$name-$n text=d-$name-$n-"; then echo "d-$name-$n-" >> "put-$name"; fi
    if killed "$after" notes edit "diary --append n-$name-$n-"; then echo "n-$name-$n-" >> "typed-$name"; fi
    killed "$after" delta sync "" || true
    sleep 0.1
  done
}

mkdir -p "$1/journal" "$1/notes" "$1/delta" "$(basename "$1")"
agent journal init --folder "$1/journal" --local "$(basename "$1")/journal" --machine "$(id_of "$(basename "$1")")" > /dev/null
agent notes new --folder "$1/notes" --local "$(basename "$1")/notes" --id diary begun > /dev/null
agent delta put --folder "$1/delta" --local "$(basename "$1")/delta" task t text=begun > /dev/null
agent delta sync --folder "$1/delta" --local "$(basename "$1")/delta" > /dev/null
touch said-none put-none typed-none errors
for folder; do machine "$folder" & done
wait
# Whoever was killed in the middle of an append brings the rest with the next one.
for folder; do
  name=$(basename "$folder")
  agent journal append --folder "$folder/journal" --local "$name/journal" --say last --from me --home here > /dev/null
done
for round in 1 2 3; do
  for folder; do
    name=$(basename "$folder")
    agent journal rebuild --folder "$folder/journal" --local "$name/journal" > /dev/null
    agent delta sync --folder "$folder/delta" --local "$name/delta" > /dev/null
    agent notes sync --folder "$folder/notes" --local "$name/notes" > /dev/null
  done
  "$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
done
cat said-* put-* typed-* | sort > acknowledged
lost=0 apart=0
for folder; do
  name=$(basename "$folder")
  agent journal show --folder "$folder/journal" --local "$name/journal" > "all-$name"
  agent delta list --folder "$folder/delta" --local "$name/delta" >> "all-$name"
  agent notes show --folder "$folder/notes" --local "$name/notes" diary >> "all-$name"
  for what in $(cat acknowledged); do grep -q -- "$what" "all-$name" || { echo "$name: $what is not there"; lost=$((lost + 1)); }; done
  cmp -s "all-$name" "all-$(basename "$first")" || apart=$((apart + 1))
done
echo "cloudchamber-agent: $(wc -l < acknowledged) changes were acknowledged; $lost are missing somewhere, $apart machines show something else"
test "$lost$apart" = 00
