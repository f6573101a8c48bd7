//! How many replays a search may take.

/// How far a search has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Progress {
    /// How many replays and new runs it has taken.
    pub replays: u64,
    /// How many choices are left.
    pub choices: usize,
}

/// How many replays are left, and who is told.
pub(super) struct Budget<'b> {
    spent: u64,
    most: u64,
    tell: &'b mut dyn FnMut(Progress),
}

impl<'b> Budget<'b> {
    pub(super) fn new(most: u64, tell: &'b mut dyn FnMut(Progress)) -> Self {
        Self { spent: 0, most, tell }
    }

    /// Takes one more replay, of a trace of some choices, if there is one left.
    pub(super) fn spend(&mut self, choices: usize) -> bool {
        if self.is_spent() {
            return false;
        }
        self.spent += 1;
        (self.tell)(Progress { replays: self.spent, choices });
        true
    }

    pub(super) fn is_spent(&self) -> bool {
        self.spent >= self.most
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent
    }
}
