//! What a model checker has to shift so that a finite number of states is enough.

use crate::Mono;

/// Sees every value of a state or a record that grows for ever, and may change it.
///
/// Only differences between instants, and only the order of terms and of beats, matter to the protocol; so a model
/// can replace instants by ages and terms and beats by ranks. A replica's own beats and the copies of them that
/// others hold have to be changed alike.
pub trait Visit {
    /// An instant on the replica's own monotonic clock; 0 where it stands for "never".
    fn instant(&mut self, instant: &mut Mono);
    /// A term; 0 stands for "none".
    fn term(&mut self, term: &mut u64);
    /// The number of a beat within a life; 0 stands for "none".
    fn beat(&mut self, beat: &mut u64);
}
