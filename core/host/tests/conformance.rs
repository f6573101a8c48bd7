//! The real directory passes the cases that the simulated view passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cloudchamber_folder::conformance::cases;
use cloudchamber_host::OsFs;

#[test]
fn a_real_directory_is_as_the_simulated_one() {
    let mut failed = Vec::new();
    for case in cases() {
        let place = tempfile::tempdir().unwrap();
        let (shared, local) = (place.path().join("shared"), place.path().join("local"));
        for root in [&shared, &local] {
            std::fs::create_dir(root).unwrap();
        }
        let mut fs = OsFs::new(shared, local);
        if catch_unwind(AssertUnwindSafe(|| (case.run)(&mut fs))).is_err() {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "these cases do not hold: {failed:?}");
    assert!(cases().len() >= 20, "the cases got lost");
}
