#!/bin/sh
# An hledger journal in the folder: each machine appends fifteen transactions.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"

machine() {
  name=$(basename "$1")
  for n in $(seq 15); do
    if [ -s "$1/j" ] || [ "$name" = "$(basename "$first")" ]; then
      printf '\n2026-01-02 t-%s-%s\n  expenses  %s EUR\n  cash\n' "$name" "$n" "$n" >> "$1/j"
      echo "t-$name-$n" >> "added-$name"
    fi
    hledger -f "$1/j" check > /dev/null 2>> errors || true
    sleep 0.3
  done
}

first=$1
touch errors added-none
for folder; do machine "$folder" & done
wait
"$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
sort added-* > added
hledger -f "$1/j" print 2>> errors | grep -o 't-[^ ]*' | sort -u > listed || true
cat "$1"/* | grep -ao 't-[A-Za-z]*-[0-9]*' | sort -u > anywhere
echo "hledger: $(wc -l < added) transactions were entered; $(comm -23 added listed | wc -l) of them are not in the journal any more," \
  "$(comm -23 added anywhere | wc -l) in no file of the folder; it complained $(grep -c Error errors || true) times"
test -z "$(comm -23 added listed)"
