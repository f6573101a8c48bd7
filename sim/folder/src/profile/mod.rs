//! Provider profiles.
mod rules;
pub use rules::*;

/// stub
#[derive(Clone, Debug)]
pub struct Profile { /// r
 pub rules: Rules }
impl Profile {
    /// n
    pub fn named(_: &str) -> Result<Self, String> { Err("none".into()) }
    /// d
    pub fn with_delay(self, _: u64) -> Self { self }
}
