//! The claim: a random moment, a second look, a write, half a second, a third look, all at the own disk.

use super::cycle::over;
use super::{ActiveBecause, Context, Phase, Published, unwritten, write_state};
use crate::failover::records::STATE;
use crate::failover::{Config, Event, GivenUpBecause, StandbyBecause};
use crate::{FsError, WallMs};

impl Published {
    pub(super) fn wait_to_claim(&mut self, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        let jitter_ms = config.timing.failover_jitter.draw(cx.rng());
        self.phase = Phase::Jitter { until: cx.now().mono.plus(jitter_ms), since };
        cx.event(Event::ClaimStarted { jitter_ms });
    }

    /// Looks again and writes itself in, unless the active one is heard again.
    pub(super) fn claim(&mut self, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        let wall = cx.now().wall;
        let limit_ms = config.timing.stale_ms;
        // An age of exactly the limit is not stale at the first look, and not fresh at this one.
        let stale = self.look(cx, |state| {
            let age_ms = wall.since(state.active_device_heartbeat);
            let fresh = state.active_device.is_some() && !over(age_ms.saturating_add(1), limit_ms);
            (!fresh).then(|| state.clone())
        });
        match stale {
            None => self.give_up(GivenUpBecause::StateUnreadable, since, config, cx),
            Some(None) => self.give_up(GivenUpBecause::NoLongerStale, since, config, cx),
            Some(Some(mut state)) => {
                let me = config.identity.device_id();
                state.active_device = Some(me.clone());
                state.active_device_heartbeat = wall;
                write_state(state, me, cx);
                self.phase = Phase::Claiming { since };
            }
        }
    }

    pub(super) fn claimed(
        &mut self,
        result: Result<(), FsError>,
        since: WallMs,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        match result {
            Ok(()) => {
                cx.event(Event::ClaimWritten);
                self.phase = Phase::Verifying { until: cx.now().mono.plus(config.timing.verify_ms), since };
            }
            Err(error) => {
                unwritten(STATE.clone(), error, cx);
                self.give_up(GivenUpBecause::StateUnwritten, since, config, cx);
            }
        }
    }

    /// Reads its own disk again. Another's claim is there only if it arrived within the wait, so this tells
    /// little. The original also asks that `lastModified` did not go back, which it cannot where it is named.
    pub(super) fn verify(&mut self, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        let found = self.look(cx, |state| match &state.active_device {
            Some(id) if config.identity.is(id) => Ok(state.last_update_id),
            other => Err(other.clone()),
        });
        match found {
            Some(Ok(last_update_id)) => {
                self.become_active(ActiveBecause::WonClaim, Some(last_update_id), since, config, cx);
                self.device_beat(since, config, cx);
            }
            Some(Err(to)) => {
                cx.event(Event::ClaimLost { to });
                self.stand_by(StandbyBecause::LostClaim, since, config, cx);
            }
            None => self.give_up(GivenUpBecause::ClaimUnreadable, since, config, cx),
        }
    }

    fn give_up(&mut self, because: GivenUpBecause, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        cx.event(Event::ClaimGivenUp { because });
        self.stand_by(StandbyBecause::LostClaim, since, config, cx);
    }
}

#[cfg(test)]
mod tests {
    use crate::failover::testing::{Bench, Files, START, device, state};
    use crate::{Draw, FsError, Path};

    fn stale() -> Bench {
        Bench::document(Files::default().with("shared:state.json", state("h:/b", START - 90_001, 7)))
    }

    fn arrives(bench: &mut Bench, text: impl Into<crate::Content>) {
        bench.files = bench.files.clone().with("shared:state.json", text);
    }

    #[test]
    fn a_stale_leader_is_claimed_in_three_steps() {
        let mut bench = stale();
        bench.draw = Draw::Fraction(255);
        bench.pass(600);
        insta::assert_snapshot!(bench.take(), @"
          0 {event:started,fallback:false}
          0 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1000000, hostname: h, directory: /a, pid: 1 }
          0 {event:heartbeat-written,path:shared:devices/h:-a.json}
          0 {event:suspected,leader:h:/b,silent_ms:90001}
          0 {event:claim-started,jitter_ms:0}
          0 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1000000, lastUpdateId: 7, lastModified: 1000000, modifiedBy: h:/a }
          0 {event:claim-written}
        500 {event:became-active,because:won-claim}
        500 GetUpdates { offset: 8, wait_ms: 0 }
        ");
        assert_eq!(bench.replica().last_update_id(), 7);
    }

    #[test]
    fn a_jitter_of_ten_seconds_is_slept_through() {
        let mut bench =
            Bench::document(Files::default().with("shared:state.json", state("h:/b", START - 86_000, 0)));
        bench.draw = Draw::Fraction(255);
        bench.forget().pass(14_999);
        insta::assert_snapshot!(bench.take(), @"
        5000 {event:suspected,leader:h:/b,silent_ms:91000}
        5000 {event:claim-started,jitter_ms:10000}
        ");
        assert!(!bench.is_active());
        bench.pass(1);
        insta::assert_snapshot!(bench.take(), @"
        15000 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1015000, lastUpdateId: 0, lastModified: 1015000, modifiedBy: h:/a }
        15000 {event:claim-written}
        ");
        bench.pass(500);
        assert!(bench.is_active());
    }

    #[test]
    fn the_loser_steps_back() {
        let mut bench = stale();
        bench.wake();
        arrives(&mut bench, state("h:/c", START, 7));
        bench.forget().wake();
        insta::assert_snapshot!(bench.take(), @"   500 {event:claim-lost,to:h:/c}");
        assert_eq!(bench.replica().leader(), Some("h:/c"));
        bench.forget().pass(25_000);
        assert_eq!(bench.take(), "");
    }

    /// C1: both write, both wait half a second, both read what they wrote themselves.
    #[test]
    fn two_claimants_both_win_where_files_take_longer_than_half_a_second() {
        let (mut one, mut other) = (stale(), stale());
        other.pass(0);
        one.pass(600);
        other.pass(600);
        assert!(one.is_active() && other.is_active());
    }

    #[test]
    fn a_leader_that_is_heard_again_is_left_alone() {
        let mut bench = stale();
        arrives(&mut bench, state("h:/b", START - 89_999, 7));
        bench.forget().wake();
        insta::assert_snapshot!(bench.take(), @"     0 {event:claim-given-up,because:no-longer-stale}");
        // At exactly 90 s a heartbeat is not yet stale, and no longer fresh.
        let mut bench = stale();
        arrives(&mut bench, state("h:/b", START - 90_000, 7));
        bench.forget().wake();
        assert!(bench.take().contains("claim-written"));
    }

    #[test]
    fn a_heartbeat_of_exactly_the_limit_is_not_stale() {
        let mut bench =
            Bench::document(Files::default().with("shared:state.json", state("h:/b", START - 90_000, 7)));
        assert!(!bench.take().contains("suspected"));
        bench.wake();
        assert!(bench.take().contains("suspected"));
    }

    #[test]
    fn a_claim_that_cannot_be_made_is_given_up() {
        let mut unreadable = stale();
        unreadable.files.unreadable.insert(Path::shared("state.json"), FsError::NotLocal);
        unreadable.forget().wake();
        insta::assert_snapshot!(unreadable.take(), @"
        0 {event:problem-found,path:shared:state.json,kind:{unreadable:not-local}}
        0 {event:claim-given-up,because:state-unreadable}
        ");

        let mut unwritten = stale();
        unwritten.files.unwritable.insert(Path::shared("state.json"), FsError::NoSpace);
        unwritten.forget().wake();
        insta::assert_snapshot!(unwritten.take(), @"
        0 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1000000, lastUpdateId: 7, lastModified: 1000000, modifiedBy: h:/a }: no space is left
        0 {event:problem-found,path:shared:state.json,kind:{unwritten:no-space}}
        0 {event:claim-given-up,because:state-unwritten}
        ");

        let mut torn = stale();
        torn.wake();
        arrives(&mut torn, "");
        torn.forget().wake();
        insta::assert_snapshot!(torn.take(), @"
        500 {event:problem-found,path:shared:state.json,kind:{corrupt:empty}}
        500 {event:claim-given-up,because:claim-unreadable}
        ");
        assert!(!torn.is_active());
    }

    #[test]
    fn an_activation_in_the_middle_of_a_claim_wins_over_it() {
        let files = || {
            Files::default()
                .with("shared:state.json", state("h:/b", START - 90_001, 7))
                .with("shared:devices/h:-c.json", device("h:/c", "h", START))
        };
        let mut before_the_write = Bench::document(files());
        before_the_write.activate("h:/c");
        before_the_write.forget().wake();
        assert!(before_the_write.take().contains("no-longer-stale"));

        let mut after_the_write = Bench::document(files());
        after_the_write.wake();
        after_the_write.activate("h:/c");
        after_the_write.forget().wake();
        assert!(after_the_write.take().contains("{event:claim-lost,to:h:/c}"));
        assert!(!after_the_write.is_active() && !before_the_write.is_active());
    }

    #[test]
    fn an_active_one_does_not_act_while_it_claims() {
        let mut bench = Bench::document(Files::default().with("shared:state.json", state("h:/a", START, 7)));
        assert!(bench.is_active());
        bench.updates(&[]);
        arrives(&mut bench, state("h:/b", START - 200_000, 7));
        bench.wake();
        assert!(!bench.is_active());
        bench.pass(600);
        assert!(bench.is_active());
    }
}
