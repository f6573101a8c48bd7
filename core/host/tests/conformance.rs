//! The real directory passes the cases that the simulated view passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cloudchamber_core::kit::stub::StubBy;
use cloudchamber_folder::conformance::{Case, ELSEWHERE, cases, placeholder_cases};
use cloudchamber_host::OsFs;

#[test]
fn a_real_directory_is_as_the_simulated_one() {
    let mut failed = Vec::new();
    let empty = cases().iter().map(|case| (case, None));
    let placeholders = |case| StubBy::ALL.map(|by| (case, Some(by)));
    let all: Vec<(&Case, Option<StubBy>)> =
        empty.chain(placeholder_cases().iter().flat_map(placeholders)).collect();
    for (case, placeholder) in all {
        let place = tempfile::tempdir().unwrap();
        let (shared, local) = (place.path().join("shared"), place.path().join("local"));
        for root in [&shared, &local] {
            std::fs::create_dir(root).unwrap();
        }
        if let Some(by) = placeholder {
            std::fs::write(shared.join(by.stub(ELSEWHERE)), " ").unwrap();
        }
        let mut fs = OsFs::new(shared, local);
        if catch_unwind(AssertUnwindSafe(|| (case.run)(&mut fs))).is_err() {
            failed.push((case.name, placeholder));
        }
    }
    assert!(failed.is_empty(), "these cases do not hold: {failed:?}");
    assert!(cases().len() >= 20, "the cases got lost");
}
