//! A process that worlds share until it takes a step.

use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use cloudchamber_core::{Driver, Protocol};

use crate::stable_hash::StableHasher;

/// A running process. A clone shares it, and its state is hashed once however many worlds hold it: most choices
/// of a world concern files, or another replica.
#[derive(Clone, Debug)]
pub(super) struct Running<P: Protocol>(Arc<Shared<P>>);

#[derive(Debug)]
struct Shared<P: Protocol> {
    driver: Driver<P>,
    /// Of the driver, once somebody has asked.
    digest: OnceLock<u64>,
    /// What of it still matters, once somebody has asked.
    essence: OnceLock<Essence>,
}

/// What of a process still matters: a digest without the numbers that count on for ever, and these numbers, each with
/// what it counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Essence {
    pub(crate) digest: u64,
    pub(crate) numbers: Vec<(u64, u64)>,
}

impl<P: Protocol> Running<P> {
    pub(super) fn new(driver: Driver<P>) -> Self {
        Self(Arc::new(Shared { driver, digest: OnceLock::new(), essence: OnceLock::new() }))
    }

    /// What of it still matters, as `find` says it, which is asked once.
    pub(super) fn essence(&self, find: impl FnOnce(&Driver<P>) -> Essence) -> &Essence {
        self.0.essence.get_or_init(|| find(&self.0.driver))
    }

    /// The driver, to be changed; other worlds keep it as it is.
    pub(super) fn driver_mut(&mut self) -> &mut Driver<P> {
        let shared = Arc::make_mut(&mut self.0);
        shared.digest.take();
        shared.essence.take();
        &mut shared.driver
    }
}

impl<P: Protocol> Clone for Shared<P> {
    /// Copies the driver. A copy is about to be changed, so the digest stays behind.
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), digest: OnceLock::new(), essence: OnceLock::new() }
    }
}

impl<P: Protocol> Deref for Running<P> {
    type Target = Driver<P>;

    fn deref(&self) -> &Driver<P> {
        &self.0.driver
    }
}

impl<P: Protocol> PartialEq for Running<P> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.driver == other.0.driver
    }
}

impl<P: Protocol> Eq for Running<P> {}

impl<P: Protocol> Hash for Running<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(*self.0.digest.get_or_init(|| StableHasher::of(&self.0.driver)));
    }
}
