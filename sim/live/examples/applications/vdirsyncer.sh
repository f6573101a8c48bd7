#!/bin/sh
# Calendars kept as one file an event in the folder, and synchronised with a store of the second machine's own by vdirsyncer. The
# first machine changes twenty events, and one of them reaches the second in half.
set -eu
ctl() { "$CLOUDCHAMBER" live ctl "$CLOUDCHAMBER_LIVE" "$@" > /dev/null 2>&1; }
work=$(mktemp -d)
mkdir -p "$work/own"
event() { printf 'BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:event-%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260102T030405Z\r\nSUMMARY:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n' "$1" "$2" > "$3.new" && mv "$3.new" "$3"; }
cat > "$work/config" <<C
[general]
status_path = "$work/status"
[pair p]
a = "folder"
b = "own"
collections = null
[storage folder]
type = "filesystem"
path = "$2"
fileext = ".ics"
[storage own]
type = "filesystem"
path = "$work/own"
fileext = ".ics"
C
sync() { vdirsyncer -c "$work/config" sync --force-delete >> "$work/said" 2>&1 || echo "sync failed" >> "$work/failed"; }
touch "$work/failed"
for n in $(seq 20); do event "$n" first "$1/event-$n.ics"; done
ctl quiet
vdirsyncer -c "$work/config" discover > "$work/said" 2>&1
sync
before=$(ls "$work/own" | wc -l)
for n in $(seq 20); do event "$n" second "$1/event-$n.ics"; done
cut=no
for n in $(seq 300); do
  # The connection breaks in the middle of a file, and is back after a sync.
  if ctl arrive "$(basename "$2")/event-7.ics" 40; then ctl offline "$(basename "$2")" && cut=yes && break; fi
done
sync
during=$(grep -l END:VCALENDAR "$work/own"/*.ics | wc -l)
ctl quiet
sync
sync
after=$(grep -l SUMMARY:second "$work/own"/*.ics | wc -l)
echo "vdirsyncer: $before whole events before; $during while one was there in half (cut: $cut);" \
  "$after with the second text in the end, $(ls "$work/own" | wc -l) files; $(wc -l < "$work/failed") syncs failed;" \
  "the folder has $(ls "$2" | wc -l) files"
test "$during" = 20 && test "$after" = 20
