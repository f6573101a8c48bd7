//! What being active is for: polling, handling one update after the other, and keeping how far it got.

use std::sync::Arc;

use super::{Context, Phase, Published, later, unwritten, write_state};
use crate::failover::records::{self, OFFSET, ProblemKind, STATE, StateRecord};
use crate::failover::{Call, Config, DroppedBecause, Event, OffsetKept, Update};
use crate::{FsError, FsOp, Path, WallMs};

impl Published {
    pub(super) fn poll(&mut self, config: &Config, cx: &mut Context<'_>) {
        let offset = self.last_update_id.saturating_add(1);
        cx.call(Call::GetUpdates { offset, wait_ms: config.timing.poll_wait_ms });
        self.phase = Phase::Polling;
    }

    /// Takes a poll's updates. A device that keeps its own offset writes it for all of them before it handles the
    /// first: what it does not get to before a crash is lost.
    pub(super) fn polled(&mut self, updates: Arc<[Update]>, config: &Config, cx: &mut Context<'_>) {
        match updates.iter().map(|update| update.id).max() {
            Some(last) if self.keeps_own_offset(config) => {
                self.last_update_id = last;
                let content = records::serialise_offset(last);
                cx.op(FsOp::Overwrite { path: OFFSET.clone(), content });
                self.phase = Phase::Saving { updates, next: 0 };
            }
            _ => self.proceed(updates, 0, config, cx),
        }
    }

    /// Notes that an update was handled or passed over, and goes on.
    pub(super) fn took(
        &mut self,
        id: i64,
        updates: Arc<[Update]>,
        next: usize,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        self.note_taken(id, config);
        self.proceed(updates, next, config, cx);
    }

    fn note_taken(&mut self, id: i64, config: &Config) {
        if !self.keeps_own_offset(config) {
            self.last_update_id = id;
            self.unsaved = true;
        }
    }

    /// Writes the last update's id where that is due, hands out the next update, or pauses. The document says
    /// "about every 5 s" and nothing of the end of a flow: here the last one is written when it is due, after some
    /// later poll.
    fn proceed(&mut self, updates: Arc<[Update]>, next: usize, config: &Config, cx: &mut Context<'_>) {
        let wall = cx.now().wall;
        if self.unsaved && wall >= self.due.last_update_id {
            self.due.last_update_id = later(wall, config.timing.last_update_id_every_ms);
            // Nobody asks whether this replica is still named: one that was deposed writes its own, lower id
            // over the new one's.
            if let Some(mut state) = self.look(cx, StateRecord::clone) {
                state.last_update_id = self.last_update_id;
                write_state(state, config.identity.device_id(), cx);
                self.phase = Phase::Saving { updates, next };
                return;
            }
        }
        self.hand_out(updates, next, config, cx);
    }

    /// Hands out the next update that is not to be dropped, or pauses.
    fn hand_out(&mut self, updates: Arc<[Update]>, next: usize, config: &Config, cx: &mut Context<'_>) {
        for (index, update) in updates.iter().enumerate().skip(next) {
            if self.is_too_old(update) {
                cx.event(Event::UpdateDropped {
                    id: update.id,
                    because: DroppedBecause::SentBeforeActivation,
                });
                self.note_taken(update.id, config);
                continue;
            }
            cx.call(Call::Handle { update: *update, term: 0 });
            self.phase = Phase::Handling { updates, next: index };
            return;
        }
        self.sleep(config.timing.active_pause_ms, cx);
    }

    /// Goes on after the last update's id was written, or was not.
    pub(super) fn saved(
        &mut self,
        result: Result<(), FsError>,
        updates: Arc<[Update]>,
        next: usize,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        let path = if self.keeps_own_offset(config) { OFFSET.clone() } else { STATE.clone() };
        match result {
            Ok(()) => {
                self.unsaved = false;
                cx.event(Event::LastUpdateIdWritten { id: self.last_update_id, path });
            }
            Err(error) => unwritten(path, error, cx),
        }
        // Not at once again, should it have failed: at the end of time a deadline cannot be moved on.
        self.hand_out(updates, next, config, cx);
    }

    /// Dates of updates are whole seconds, so one sent in the second of the activation may look older.
    fn is_too_old(&self, update: &Update) -> bool {
        let date = WallMs(update.sent.0.div_euclid(1_000).saturating_mul(1_000));
        self.active_since.is_some_and(|since| date < since)
    }

    /// Without the shared folder there is only the own store.
    fn keeps_own_offset(&self, config: &Config) -> bool {
        self.local_only || config.offset_kept == OffsetKept::Local
    }

    /// Reads its own offset; none, or a broken one, counts as 0, and everything still unconfirmed comes again.
    pub(super) fn read_own_offset(&mut self, cx: &mut Context<'_>) {
        let path: &Path = &OFFSET;
        let kind = match cx.read(path) {
            Ok(content) => match &*content.parsed(records::parse_offset) {
                Ok(id) => {
                    self.last_update_id = *id;
                    return;
                }
                Err(malformed) => ProblemKind::Corrupt(*malformed),
            },
            Err(FsError::NotFound) => return,
            Err(error) => ProblemKind::Unreadable(error),
        };
        cx.event(Event::ProblemFound { path: path.clone(), kind });
    }
}

#[cfg(test)]
mod tests {
    use crate::failover::Reply;
    use crate::failover::testing::{Bench, Files, START, state};
    use crate::{FsError, Path};

    fn active(last_update_id: i64) -> Files {
        Files::default().with("shared:state.json", state("h:/a", START, last_update_id))
    }

    #[test]
    fn two_updates_are_handled_one_by_one_and_written_down() {
        let mut bench = Bench::document(active(7));
        bench.forget().updates(&[(8, START), (9, START)]);
        bench.reply(Reply::Handled { id: 8 });
        bench.reply(Reply::Handled { id: 9 });
        bench.pass(1_000);
        insta::assert_snapshot!(bench.take(), @"
           0 Handle { update: Update { id: 8, sent: WallMs(1000000) }, term: 0 }
           0 {event:update-handled,id:8,term:0}
           0 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1000000, lastUpdateId: 8, lastModified: 1000000, modifiedBy: h:/a }
           0 {event:last-update-id-written,id:8,path:shared:state.json}
           0 Handle { update: Update { id: 9, sent: WallMs(1000000) }, term: 0 }
           0 {event:update-handled,id:9,term:0}
        1000 GetUpdates { offset: 10, wait_ms: 0 }
        ");
    }

    #[test]
    fn the_last_updates_id_is_written_every_five_seconds_at_most() {
        let mut bench = Bench::document(active(0));
        let mut written = 0;
        for id in 1..=20 {
            bench.updates(&[(id, START)]);
            bench.reply(Reply::Handled { id });
            bench.pass(1_000);
            written += bench.take().matches("last-update-id-written").count();
        }
        assert_eq!(written, 4);
        // The last one of a flow is written when it is due, although nothing follows.
        for _ in 0..5 {
            bench.updates(&[]);
            bench.pass(1_000);
        }
        assert!(bench.files.text("shared:state.json").contains("\"lastUpdateId\": 20"));
    }

    #[test]
    fn a_refused_poll_is_an_empty_one() {
        let mut bench = Bench::document(active(7));
        bench.forget().reply(Reply::Conflict);
        bench.pass(1_000);
        bench.reply(Reply::Unreachable);
        bench.pass(5_000);
        insta::assert_snapshot!(bench.take(), @"
           0 {event:poll-refused}
        1000 GetUpdates { offset: 8, wait_ms: 0 }
        1000 {event:poll-failed}
        6000 GetUpdates { offset: 8, wait_ms: 0 }
        ");
    }

    #[test]
    fn an_update_that_cannot_be_handled_is_passed_over() {
        let mut bench = Bench::document(active(7));
        bench.updates(&[(8, START)]);
        bench.forget().reply(Reply::Refused { id: 8 });
        insta::assert_snapshot!(bench.take(), @"
        0 {event:update-dropped,id:8,because:not-handled}
        0 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1000000, lastUpdateId: 8, lastModified: 1000000, modifiedBy: h:/a }
        0 {event:last-update-id-written,id:8,path:shared:state.json}
        ");
    }

    /// C15: what was sent while nobody led is older than the activation, which dates from before the jitter.
    #[test]
    fn upstream_drops_what_was_sent_while_nobody_led() {
        let mut bench =
            Bench::upstream(Files::default().with("shared:state.json", state("h:/b", START - 121_000, 0)));
        bench.pass(600);
        bench.forget().updates(&[(8, START - 90_000), (9, START - 30_000), (10, START + 100)]);
        insta::assert_snapshot!(bench.take(), @"
        600 overwrite local:offset.json { lastUpdateId: 10 }
        600 {event:last-update-id-written,id:10,path:local:offset.json}
        600 {event:update-dropped,id:8,because:sent-before-activation}
        600 {event:update-dropped,id:9,because:sent-before-activation}
        600 Handle { update: Update { id: 10, sent: WallMs(1000100) }, term: 0 }
        ");
        assert_eq!(bench.replica().last_update_id(), 10);
    }

    /// C16: the offset is each device's own and written before anything is handled.
    #[test]
    fn upstream_loses_what_it_polled_and_did_not_handle() {
        let files = active(0).with("local:offset.json", r#"{"lastUpdateId":7}"#);
        let mut bench = Bench::upstream(files);
        bench.forget().updates(&[(8, START), (9, START)]);
        insta::assert_snapshot!(bench.take(), @"
        0 overwrite local:offset.json { lastUpdateId: 9 }
        0 {event:last-update-id-written,id:9,path:local:offset.json}
        0 Handle { update: Update { id: 8, sent: WallMs(1000000) }, term: 0 }
        ");
        let mut again = Bench::upstream(bench.files.clone());
        assert!(again.take().contains("GetUpdates { offset: 10, wait_ms: 30000 }"));
    }

    /// C17: while an update is handled, nothing else happens, and what follows is done although another is named.
    #[test]
    fn a_slow_handler_stops_the_heartbeat_and_finishes_unfenced() {
        let mut bench = Bench::document(active(0));
        bench.updates(&[(8, START), (9, START)]);
        bench.forget().pass(300_000);
        assert_eq!(bench.take(), "");
        bench.files = bench.files.clone().with("shared:state.json", state("h:/b", START + 299_000, 0));
        bench.reply(Reply::Handled { id: 8 });
        let transcript = bench.take();
        assert!(transcript.contains("Handle { update: Update { id: 9"), "{transcript}");
        assert!(bench.is_active());
    }

    /// C20: the id is written without a look at who is active.
    #[test]
    fn a_deposed_one_writes_its_lower_id_over_the_new_ones() {
        let mut bench = Bench::document(active(100));
        bench.updates(&[(101, START)]);
        bench.files = bench.files.clone().with("shared:state.json", state("h:/b", START, 140));
        bench.forget().reply(Reply::Handled { id: 101 });
        insta::assert_snapshot!(bench.take(), @"
        0 {event:update-handled,id:101,term:0}
        0 overwrite shared:state.json { activeDevice: h:/b, activeDeviceHeartbeat: 1000000, lastUpdateId: 101, lastModified: 1000000, modifiedBy: h:/a }
        0 {event:last-update-id-written,id:101,path:shared:state.json}
        ");
    }

    #[test]
    fn an_id_that_cannot_be_written_is_tried_again_later() {
        let mut bench = Bench::document(active(0));
        bench.files.unwritable.insert(Path::shared("state.json"), FsError::NoSpace);
        bench.updates(&[(1, START)]);
        bench.forget().reply(Reply::Handled { id: 1 });
        assert!(bench.take().contains("unwritten"));
        bench.files.unwritable.clear();
        for _ in 0..5 {
            bench.pass(1_000);
            bench.updates(&[]);
        }
        assert!(bench.files.text("shared:state.json").contains("\"lastUpdateId\": 1,"));
    }

    #[test]
    fn a_save_that_fails_at_the_end_of_time_is_not_tried_for_ever() {
        let mut bench = Bench::document(active(0));
        bench.files.unwritable.insert(Path::shared("state.json"), FsError::NoSpace);
        bench.set_wall(i64::MAX);
        bench.updates(&[(1, START)]);
        bench.forget().reply(Reply::Handled { id: 1 });
        assert_eq!(bench.take().matches("unwritten").count(), 1);
    }

    #[test]
    fn whoever_becomes_active_takes_over_the_shared_id() {
        let mut bench = Bench::document(active(7));
        bench.updates(&[(8, START)]);
        bench.reply(Reply::Handled { id: 8 });
        bench.files = bench.files.clone().with("shared:state.json", state("h:/b", START, 20));
        bench.pass(1_000);
        assert!(!bench.is_active());
        bench.files = bench.files.clone().with("shared:state.json", state("h:/a", START, 21));
        bench.forget().pass(5_000);
        assert!(bench.take().contains("GetUpdates { offset: 22, wait_ms: 0 }"));
    }

    #[test]
    fn a_broken_own_offset_starts_from_nothing() {
        let mut bench = Bench::upstream(active(0).with("local:offset.json", "{"));
        let transcript = bench.take();
        assert!(transcript.contains("path:local:offset.json,kind:{corrupt:not-json}"), "{transcript}");
        assert!(transcript.contains("GetUpdates { offset: 1,"), "{transcript}");
    }
}
