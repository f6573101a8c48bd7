#!/bin/sh
# Joplin's terminal client on two machines, whose file system target is the folder: each makes eight notes, adds a line to one
# of two notes that both have, and syncs; every third time it is killed in the middle of that. It is slow to start, so
# --speed 2 does. Needs joplin (npm) and sqlite3, for looking into its databases.
set -eu
for folder; do shift; set -- "$@" "$(realpath "$folder")"; done
cd "$(mktemp -d)"
first=$1

# Commands of a machine, a line each. What goes wrong is told in errors-*.
joplin_of() {
  name=$1
  cat > "batch-$name"
  echo "+ $(tr '\n' ';' < "batch-$name")" >> "said-$name"
  joplin --profile "$PWD/profile-$name" batch "batch-$name" >> "said-$name" 2>&1
}
# Where a sync that was killed has left its lock, a person deletes that, as the client says.
sync_of() {
  for try in 1 2 3; do
    joplin --profile "$PWD/profile-$1" sync > "sync-$1" 2>&1 || echo "exit $?" >> "sync-$1"
    cat "sync-$1" >> "said-$1"
    lock=$(sed -n 's/.*delete the lock file at "\(.*\)" and resume.*/\1/p' "sync-$1")
    if [ -n "$lock" ]; then
      rm -rf "$lock" "$lock.lock"
      echo "$lock" >> "locks-$1"
    elif ! grep -q 'already in progress' "sync-$1"; then
      break
    fi
  done
  grep -i 'error\|exit \|fail' "sync-$1" >> "errors-$1" || true
}
ask() { sqlite3 "profile-$1/database.sqlite" ".timeout 5000" "$2"; }
begun() { test "$(ask "$1" "select count(*) from notes where title like 'common-%' and body = 'begun'")" = 2; }

machine() {
  folder=$1 name=$(basename "$1")
  for n in $(seq 8); do
    common=common-$((n % 2 + 1))
    body=$(ask "$name" "select body from notes where title = '$common' and is_conflict = 0 and deleted_time = 0 limit 1")
    if printf 'use book\nmknote note-%s-%s\nset note-%s-%s body text-%s-%s\nset %s body "%s line-%s-%s"\n' \
      "$name" "$n" "$name" "$n" "$name" "$n" "$common" "$body" "$name" "$n" | joplin_of "$name"; then
      # Only what the client really has counts.
      ask "$name" "select 'note-$name-$n' where exists (select 1 from notes where title = 'note-$name-$n')" >> "made-$name"
      ask "$name" "select 'line-$name-$n' where exists (select 1 from notes where body like '%line-$name-$n%')" >> "made-$name"
    fi
    if [ $((n % 3)) = 0 ]; then
      joplin --profile "$PWD/profile-$name" sync > "killed-$name" 2>&1 &
      until grep -q Starting "killed-$name" || ! kill -0 $! 2> /dev/null; do sleep 0.02; done
      sleep "0.$((n * 37 % 5))"
      kill -KILL $! 2> /dev/null || true
      wait $! || true
      cat "killed-$name" >> "said-$name"
    else
      sync_of "$name"
    fi
  done
}

for folder; do
  name=$(basename "$folder")
  touch "made-$name" "errors-$name" "locks-$name" "said-$name"
  printf 'config sync.target 2\nconfig sync.2.path %s\nconfig trackLocation false\n' "$folder" | joplin_of "$name"
done
# The first makes the notes that both have; the others wait until they have them.
main=$(basename "$first")
printf 'mkbook book\nuse book\nmknote common-1\nmknote common-2\n' | joplin_of "$main"
until begun "$main"; do printf 'set common-1 body begun\nset common-2 body begun\n' | joplin_of "$main"; done
for folder; do
  name=$(basename "$folder")
  until begun "$name"; do sync_of "$name"; done
  sync_of "$name"
done
for folder; do machine "$folder" & done
wait
for round in 1 2 3; do
  for folder; do
    sync_of "$(basename "$folder")"
    "$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" quiet > /dev/null
  done
done

cat made-* | sort > made
kept='deleted_time = 0 and is_conflict = 0'
for folder; do
  name=$(basename "$folder")
  ask "$name" "select title || ' ' || body from notes where $kept" | tr ' ' '\n' | grep '^note-\|^line-' | sort > "all-$name"
  ask "$name" "select title || ' ' || body from notes where deleted_time = 0 and is_conflict = 1" | tr ' ' '\n' | sort -u > "conflicts-$name"
  ask "$name" "select title, body, is_conflict from notes where $kept order by title, body" > "shows-$name"
done
# In no note of any machine; of these, in none of their conflict notes either; and of these, in no file of any folder.
sort -u all-* > shown
sort -u all-* conflicts-* > anywhere
for folder; do cat "$folder"/* 2> /dev/null | grep -ao 'note-[A-Za-z]*-[0-9]*\|line-[A-Za-z]*-[0-9]*'; done | sort -u - anywhere > lie
apart=0
for folder; do cmp -s "shows-$(basename "$folder")" "shows-$(basename "$first")" || apart=$((apart + 1)); done
echo "Joplin $(joplin --profile "$PWD/profile-$(basename "$first")" version | sed -n 's/^joplin \([0-9.]*\).*/\1/p'):" \
  "$(grep -c note made) notes and $(grep -c line made) lines were written;" \
  "$(comm -23 made shown | grep -c note || true) notes and $(comm -23 made shown | grep -c line || true) lines are in no note any more," \
  "$(comm -23 made anywhere | wc -l) of these in no conflict note, $(comm -23 made lie | wc -l) in no file either;" \
  "$(for folder; do ask "$(basename "$folder")" "select title from notes where $kept group by title having count(*) > 1"; done | sort -u | wc -l) notes are there twice;" \
  "$apart machines show something else; it complained $(cat errors-* | wc -l) times, and $(cat locks-* | wc -l) locks were deleted by hand; logs in $PWD"
test -z "$(comm -23 made shown)"
test "$apart" = 0
